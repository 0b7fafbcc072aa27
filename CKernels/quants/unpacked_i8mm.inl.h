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

/// A step's bytes of m <= 4 tokens, 0 in the other lanes.
APUS_INLINE int32x4_t V(load_tokens)(const int32_t *step, int m) {
    int32x4_t tokens = vdupq_n_s32(0);
    __builtin_memcpy(&tokens, step, (size_t)m * sizeof *step);
    return tokens;
}

/// V(add_block) for a stored block and m <= 4 tokens. Codes, at most 127, and signed weights are multiplied alike.
APUS_INLINE void V(add_values)(f32x16 *sum, int m, const uint8_t *values, const f32x16 d[2], const f32x16 minimum[2],
                               int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                               size_t t0) {
    _Static_assert(V(product_tokens) <= 4, "two pairs of tokens");
    (void)is_signed;
    const int32_t *steps = (const int32_t *)acts + t0;
    const float *scale = (const float *)acts + 8 * width + t0;
    const int32_t *starts = (const int32_t *)acts + 10 * width + t0;
    for (int g = 0; g < groups; g++) {
        int32_t start[4] = {0}; // minus the offset times the sum of the activations
        for (int t = 0; t < m; t++)
            start[t] = (groups == 1 ? starts[t]
                        : g == 0    ? starts[width + (size_t)t]
                                    : starts[t] - starts[width + (size_t)t]) /
                       APUS_START_OFFSET * offset;
        // dots[i][j]: tokens 2 i and 2 i + 1 (halves) by rows 2 j and 2 j + 1.
        int32x4_t dots[2][8];
        for (int j = 0; j < 8; j++) {
            dots[0][j] = (int32x4_t){start[0], start[0], start[1], start[1]};
            dots[1][j] = (int32x4_t){start[2], start[2], start[3], start[3]};
        }
#pragma clang loop unroll(full)
        for (int p = g * (4 / groups); p < (g + 1) * (4 / groups); p++) {
            const int32x4_t even = V(load_tokens)(steps + (size_t)(2 * p) * width, m);
            const int32x4_t odd = V(load_tokens)(steps + (size_t)(2 * p + 1) * width, m);
            const int8x16_t first = vreinterpretq_s8_s32(vzip1q_s32(even, odd));
            const int8x16_t second = vreinterpretq_s8_s32(vzip2q_s32(even, odd));
#pragma clang loop unroll(full)
            for (int j = 0; j < 8; j++) {
                const int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(values + p * 128 + j * 16));
                dots[0][j] = vmmlaq_s32(dots[0][j], first, w);
                if (m > 2) dots[1][j] = vmmlaq_s32(dots[1][j], second, w);
            }
        }
        i32x16 dot[4];
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            V(four_ints) rows;
            for (int i = 0; i < 4; i++) {
                const int64x2_t a = vreinterpretq_s64_s32(dots[t / 2][2 * i]);
                const int64x2_t b = vreinterpretq_s64_s32(dots[t / 2][2 * i + 1]);
                rows.quarter[i] = vreinterpretq_s32_s64(t % 2 == 0 ? vzip1q_s64(a, b) : vzip2q_s64(a, b));
            }
            dot[t] = rows.ints;
        }
        V(add_scaled)(sum, m, dot, d[g], scale);
        if (has_min && groups == 1) V(add_minima)(sum, m, minimum[0], scale + width);
        if (has_min && groups == 2) {
            float scaled_half[4];
            V(scale_half)(scaled_half, m, scale, starts, width, g);
            V(add_minima)(sum, m, minimum[g], scaled_half);
        }
    }
}
