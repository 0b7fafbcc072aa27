// What differs between instruction sets: NEON with dot products of four bytes (optional since ARMv8.1).
#include "isa/neon_registers.inl.h"

APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    const V(four_bytes) weights = {.bytes = w};
    V(four_ints) sum = {.ints = acc};
    const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(a));
    for (int i = 0; i < 4; i++) sum.quarter[i] = vdotq_s32(sum.quarter[i], weights.quarter[i], values);
    return sum.ints;
}

// Lanes of a register of activations want an order of their own.
#define APUS_UNPACKED "quants/unpacked_dotprod.inl.h"

// 32 registers: 4 tokens' running sums take 16, their integer sums of half of the rows 8. Unpacked weights of a block
// would take all, so that they are not kept for a second token.
enum { V(isa) = APUS_ISA_NEON_DOTPROD };
enum {
    V(product_tokens) = 4,
    V(direct_tokens) = 1,
    V(float_tokens) = 6,
    V(attention_queries) = 4,
    V(attention_groups) = 1,
    V(attention_few) = 1
};
