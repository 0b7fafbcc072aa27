// BF16: the upper half of an f32. Activations are rounded to bf16 too, and columns are taken in pairs: that is what
// processors with BF16 dot products have an instruction for.
//
// vdpbf16ps has the bits of two fused multiply-adds, the odd column first, but takes subnormal inputs and results for
// zeros. Here there are none. A weight below 2^-63 is multiplied as zero, an activation below 2^-49 packed as zero;
// with 8 significant bits the others are multiples of 2^-70 and of 2^-56, so products and sums are multiples of 2^-126,
// which is the smallest normal number.
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
#define APUS_FLOAT_ACTS APUS_ACT_BF16
#define APUS_STEP_COLS 2
#define APUS_MULTIPLY multiply
#define APUS_MULTIPLY_FOUR multiply_four

#if defined(__x86_64__)
// A variant more than instruction sets have names: what avx512vnni does where the processor has BF16 dot products.
APUS_TARGET("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512bf16")
#define APUS_VARIANT avx512bf16
#define APUS_BF16_DOT
#include "isa/avx512vnni.inl.h"
#include "isa/vector.inl.h"
#include "quants/bf16.c"
#undef APUS_BF16_DOT
#undef APUS_VARIANT
APUS_TARGET_END
#endif

#include "quants/float.h"
#else
/// Columns 2 s and 2 s + 1 of 16 rows.
APUS_INLINE u32x16 V(load_pairs)(const uint8_t *p) {
    u16x32 w;
    __builtin_memcpy(&w, p, sizeof w);
    return (u32x16)(w & (u16x32)((w & 0x6000) != 0)); // exponents from -63 on have one of these bits
}

#ifdef APUS_BF16_DOT
typedef u32x16 V(step_weights);
enum { V(step_words) = 1, V(step_tokens) = V(float_tokens) };
APUS_INLINE u32x16 V(load_step)(const uint8_t *p) { return V(load_pairs)(p); }
APUS_INLINE f32x16 V(add_step)(f32x16 sum, u32x16 w, const float *act, size_t width) {
    (void)width;
    int32_t pair; // not a number: it must not pass through float arithmetic
    __builtin_memcpy(&pair, act, sizeof pair);
    return (f32x16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)V(splat_int)(pair));
}
#include "quants/float.inl.h"
#else
typedef struct {
    f32x16 even, odd;
} V(step_weights);
// Two columns of weights leave room for two tokens less where there are but 16 or 32 registers of 16 or 32 bytes.
enum { V(step_words) = 2, V(step_tokens) = V(float_tokens) == 6 ? 4 : V(float_tokens) };

APUS_INLINE V(step_weights) V(load_step)(const uint8_t *p) {
    const u32x16 pairs = V(load_pairs)(p);
    return (V(step_weights)){.even = (f32x16)(pairs << 16), .odd = (f32x16)(pairs & 0xffff0000u)};
}

APUS_INLINE f32x16 V(add_step)(f32x16 sum, V(step_weights) w, const float *act, size_t width) {
    return V(fma)(w.even, V(splat)(act[0]), V(fma)(w.odd, V(splat)(act[width]), sum));
}
#include "quants/float.inl.h"

static void V(product)(const uint8_t *tile, size_t cols, const void *acts, const void *rest, size_t tokens,
                       apus_sums out, void *scratch) {
    apus_product_fn multiply = V(multiply);
    APUS_ON_X86(if (V(uses_bf16)()) multiply = multiply_avx512bf16;)
    multiply(tile, cols, acts, rest, tokens, out, scratch);
}

static void V(four)(const uint8_t *const tiles[4], size_t cols, const void *acts, size_t tokens, const apus_sums out[4],
                    float *sums) {
    apus_four_fn multiply = V(multiply_four);
    APUS_ON_X86(if (V(uses_bf16)()) multiply = multiply_four_avx512bf16;)
    multiply(tiles, cols, acts, tokens, out, sums);
}
#endif
#endif
