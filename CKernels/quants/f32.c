// F32: IEEE 754 binary32.
#ifndef APUS_QUANT // first pass: the type; the second one is compiled for each instruction set
#include "quants/quant.h"

typedef float element;
static float widen(element e) { return e; }

#define APUS_FILE "quants/f32.c"
#define APUS_QUANT f32
#define APUS_QUANT_NAME "F32"
#define APUS_QUANT_ID 0
#include "quants/float.h"
#else
APUS_INLINE f32x16 V(load_column)(const uint8_t *p) { return V(load)((const float *)p); }
#include "quants/float.inl.h"
#endif
