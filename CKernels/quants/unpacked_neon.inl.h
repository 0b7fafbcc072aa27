// The product of an unpacked block on NEON: half of the rows after the other, so that the integer sums of four tokens
// have registers beside their running sums.

/// V(start) of m <= 4 tokens.
APUS_INLINE int32x4_t V(starts)(const int32_t *starts, size_t width, int m, int g, int groups) {
    const int32x4_t first = V(load_tokens)(starts + (groups == 2 ? width : 0), m);
    return g == 0 ? first : vsubq_s32(V(load_tokens)(starts, m), first);
}

/// V(add_block) for a stored block and m <= 4 tokens. Codes, at most 127, and signed weights are multiplied alike.
APUS_INLINE void V(add_values)(f32x16 *sum, int m, const uint8_t *values, const float *scales, const float *minima,
                               int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                               size_t t0) {
    _Static_assert(V(product_tokens) <= 4, "a step's tokens are one register");
    (void)is_signed;
    // Hidden from the compiler, as in V(add_block).
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0;
    const int32_t *scale = steps + 8 * width, *scaled_sums = scale + width, *starts = scaled_sums + width;
    const int count = 8 / groups;
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
#pragma clang loop unroll(full)
        for (int half = 0; half < 2; half++) {
            int32x4_t begin = vmulq_n_s32(vshrq_n_s32(V(starts)(starts, width, m, g, groups), 5), offset); // exact
            __asm__ volatile("" : "+w"(begin)); // not before the other half is done
            int32x4_t dot[8];
            V(dot_rows)(dot, m, values + g * 256, half, count, steps + (size_t)(g * count) * width, width, begin);
            V(keep_order)(dot);
            const float32x4_t by = vreinterpretq_f32_s32(V(load_tokens)(scale, m));
            float32x4_t scaled_sum = vdupq_n_f32(0);
            if (has_min && groups == 1) scaled_sum = vreinterpretq_f32_s32(V(load_tokens)(scaled_sums, m));
            if (has_min && groups == 2) // as V(scale_half)
                scaled_sum = vmulq_f32(
                    by, vmulq_n_f32(vcvtq_f32_s32(V(starts)(starts, width, m, g, groups)), -1.0f / APUS_START_OFFSET));
            __asm__ volatile("" : "+w"(scaled_sum)); // the numbers that it is made of go first
            for (int i = 0; i < 2; i++) {
                const size_t at = (size_t)(g * 16 + half * 8 + i * 4);
                const float32x4_t d = vld1q_f32(scales + at);
                const float32x4_t minimum = has_min ? vld1q_f32(minima + at) : d;
#pragma clang loop unroll(full)
                for (int t = 0; t < m; t++) {
                    V(four_floats) rows = {.floats = sum[t]};
                    float32x4_t row = rows.quarter[2 * half + i];
                    row = vfmaq_f32(row, vcvtq_f32_s32(dot[2 * t + i]), vmulq_n_f32(d, by[t]));
                    if (has_min) row = vfmaq_n_f32(row, minimum, scaled_sum[t]);
                    __asm__ volatile("" : "+w"(row));
                    rows.quarter[2 * half + i] = row;
                    sum[t] = rows.floats;
                }
            }
        }
    }
}
