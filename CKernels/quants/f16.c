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
APUS_INLINE f32x16 V(load_column)(const uint8_t *p) { return V(load_f16)(p); }
#include "quants/float.inl.h"
#endif
