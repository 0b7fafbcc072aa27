// An unpacked block of 32 columns by rows, as unpacked_rows.inl.h has it, for sdot with a lane of a register: one load
// brings a step of four tokens.

APUS_INLINE void V(put_values)(uint8_t *values, const u8x64 w[8]) { __builtin_memcpy(values, w, 512); }

/// The integer sums of m <= 4 tokens for half of the rows, two registers a token, over some steps of 4 columns; they
/// begin with the lanes of `start`.
APUS_INLINE void V(dot_rows)(int32x4_t dot[8], int m, const uint8_t *values, int half, int count, const int32_t *steps,
                             size_t width, int32x4_t start) {
    for (int t = 0; t < 4; t++) dot[2 * t] = dot[2 * t + 1] = vdupq_n_s32(start[t]);
#pragma clang loop unroll(full)
    for (int s = 0; s < count; s++) {
        V(keep_order)(dot);
        const int32x4_t tokens = V(load_tokens)(steps + (size_t)s * width, m);
        const int8x16_t low = vreinterpretq_s8_u8(vld1q_u8(values + s * 64 + half * 32));
        const int8x16_t high = vreinterpretq_s8_u8(vld1q_u8(values + s * 64 + half * 32 + 16));
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            const int8x16_t token = vreinterpretq_s8_s32(vdupq_n_s32(tokens[t]));
            dot[2 * t] = vdotq_s32(dot[2 * t], low, token);
            dot[2 * t + 1] = vdotq_s32(dot[2 * t + 1], high, token);
        }
    }
}

#include "quants/unpacked_neon.inl.h"
