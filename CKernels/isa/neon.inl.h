// What differs between instruction sets: NEON as every 64-bit Arm has it.
#include "isa/neon_registers.inl.h"

APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    const V(four_bytes) weights = {.bytes = w};
    V(four_ints) sum = {.ints = acc};
    int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(a));
    // Hides from clang that both halves are alike: it would trade smull2 for ext and smull.
    __asm__("" : "+w"(values));
    for (int i = 0; i < 4; i++) {
        const int16x8_t low = vmull_s8(vget_low_s8(weights.quarter[i]), vget_low_s8(values));
        const int16x8_t high = vmull_high_s8(weights.quarter[i], values);
        // Two products add up to 2 * 128 * 127 at most, which is below 2^15.
        sum.quarter[i] = vpadalq_s16(sum.quarter[i], vpaddq_s16(low, high));
    }
    return sum.ints;
}

// 32 registers: 4 tokens' integer sums take 16, a weight 4; the running sums spill once a block.
enum { V(isa) = APUS_ISA_NEON };
enum {
    V(product_tokens) = 4,
    V(direct_tokens) = 4,
    V(float_tokens) = 6,
    V(attention_queries) = 4,
    V(attention_groups) = 1,
    V(attention_few) = 1
};
