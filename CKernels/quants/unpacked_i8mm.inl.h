// An unpacked block of 32 columns for smmla, which multiplies 2 rows of 8 bytes by 2 tokens of 8 bytes:
// (4, 16 rows, 8 bytes), where pair p holds columns 8 p … 8 p + 7.

APUS_INLINE void V(put_values)(uint8_t *values, const u8x64 w[8]) {
    for (size_t p = 0; p < 4; p++) {
        const V(four_ints) even = {.ints = (i32x16)w[2 * p]}, odd = {.ints = (i32x16)w[2 * p + 1]};
        for (size_t i = 0; i < 4; i++) {
            const int32x4_t first = vzip1q_s32(even.quarter[i], odd.quarter[i]);
            const int32x4_t second = vzip2q_s32(even.quarter[i], odd.quarter[i]);
            vst1q_u8(values + p * 128 + i * 32, vreinterpretq_u8_s32(first));
            vst1q_u8(values + p * 128 + i * 32 + 16, vreinterpretq_u8_s32(second));
        }
    }
}

/// The integer sums of m <= 4 tokens for half of the rows, two registers a token, over some steps of 4 columns; they
/// begin with the lanes of `start`.
APUS_INLINE void V(dot_rows)(int32x4_t dot[8], int m, const uint8_t *values, int half, int count, const int32_t *steps,
                             size_t width, int32x4_t start) {
    // Tokens 2 i and 2 i + 1 (halves of a register) by rows 2 j and 2 j + 1: register 4 i + j.
    for (int j = 0; j < 4; j++) {
        dot[j] = vzip1q_s32(start, start);
        dot[4 + j] = vzip2q_s32(start, start);
    }
#pragma clang loop unroll(full)
    for (int p = 0; p < count / 2; p++) {
        V(keep_order)(dot);
        const int32x4_t even = V(load_tokens)(steps + (size_t)(2 * p) * width, m);
        const int32x4_t odd = V(load_tokens)(steps + (size_t)(2 * p + 1) * width, m);
        const int8x16_t first = vreinterpretq_s8_s32(vzip1q_s32(even, odd));
        const int8x16_t second = vreinterpretq_s8_s32(vzip2q_s32(even, odd));
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) {
            const int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(values + p * 128 + half * 64 + j * 16));
            dot[j] = vmmlaq_s32(dot[j], first, w);
            if (m > 2) dot[4 + j] = vmmlaq_s32(dot[4 + j], second, w);
        }
    }
    V(keep_order)(dot);
    for (int i = 0; i < 2; i++) {
        int64x2_t pair[4];
        for (int j = 0; j < 4; j++) pair[j] = vreinterpretq_s64_s32(dot[4 * i + j]);
        for (int j = 0; j < 2; j++) {
            dot[4 * i + j] = vreinterpretq_s32_s64(vzip1q_s64(pair[2 * j], pair[2 * j + 1]));
            dot[4 * i + 2 + j] = vreinterpretq_s32_s64(vzip2q_s64(pair[2 * j], pair[2 * j + 1]));
        }
    }
}

#include "quants/unpacked_neon.inl.h"
