// BF16: the upper half of an f32.
#ifndef APUS_QUANT // first pass: the type; the second one is compiled for each instruction set
#include "quants/quant.h"

typedef uint16_t element;

static float widen(element e) {
    const uint32_t bits = (uint32_t)e << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

#define APUS_FILE "quants/bf16.c"
#define APUS_QUANT bf16
#define APUS_QUANT_NAME "BF16"
#define APUS_QUANT_ID 30
#include "quants/float.h"
#else
APUS_INLINE f32x16 V(load_column)(const uint8_t *p) {
    u16x16 upper;
    __builtin_memcpy(&upper, p, sizeof upper);
    return (f32x16)(__builtin_convertvector(upper, u32x16) << 16);
}
#include "quants/float.inl.h"
#endif
