// F16: IEEE 754 binary16.
#ifndef APUS_QUANT // first pass: the type; the second one is compiled for each instruction set
#include "quants/quant.h"

typedef uint16_t element;
static float widen(element e) { return apus_f16_to_f32(e); }

#define APUS_FILE "quants/f16.c"
#define APUS_QUANT f16
#define APUS_QUANT_NAME "F16"
#define APUS_QUANT_ID 1
#include "quants/float.h"
#else
typedef f32x16 V(step_weights);
enum { V(step_words) = 1, V(step_tokens) = V(float_tokens) };
APUS_INLINE f32x16 V(load_step)(const uint8_t *p) { return V(load_f16)(p); }
APUS_INLINE f32x16 V(add_step)(f32x16 sum, f32x16 w, const float *act, size_t width) {
    (void)width;
    return V(fma)(w, V(splat)(*act), sum);
}
#include "quants/float.inl.h"
#endif
