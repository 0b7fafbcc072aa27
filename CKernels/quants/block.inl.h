// The product of one block of 32 columns of a tile with the packed activations of m tokens: the formula of every
// integer type, at every number of tokens.
//   sum[t][r] = fma(int, d[r] * scale[t], sum[t][r]), int = sum over the block (or its half) of (w - offset) * a;
//   then, with minima, sum[t][r] = fma(m[r], scale[t] * (sum of a), sum[t][r]), also of the block (or its half).

/// The last steps of the formula, for the integer sums of a block (or its half) of m tokens.
APUS_INLINE void V(add_scaled)(f32x16 *sum, int m, const i32x16 *dot, f32x16 d, const float *scale) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) sum[t] = V(fma)(V(to_float)(dot[t]), d * V(splat)(scale[t]), sum[t]);
}

APUS_INLINE void V(add_minima)(f32x16 *sum, int m, f32x16 minimum, const float *scaled_sum) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) sum[t] = V(fma)(minimum, V(splat)(scaled_sum[t]), sum[t]);
}

/// scale[t] * (sum of a) of half g of a block: what add_minima takes where each half has a minimum.
APUS_INLINE void V(scale_halves)(float *scaled_sum, int m, const float *scale, const int16_t *half_sums, int g) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) scaled_sum[t] = scale[t] * (float)half_sums[2 * t + g];
}

/// `acts` is a record of packed activations `width` tokens wide, from its token t0 on; m, groups, has_min and is_signed
/// are constants.
APUS_INLINE void V(add_block)(f32x16 *sum, int m, const u8x64 w[8], const f32x16 d[2], const f32x16 minimum[2],
                              int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                              size_t t0) {
    const int32_t *steps = (const int32_t *)acts + t0;
    const float *scale = (const float *)acts + 8 * width + t0;
    const float *scaled_sum = scale + width;
    const int16_t *half_sums = (const int16_t *)((const float *)acts + 10 * width) + 2 * t0;
    i32x16 dot[APUS_TILE_TOKENS];
    for (int g = 0; g < groups; g++) {
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            const int32_t total = groups == 2 ? half_sums[2 * t + g] : half_sums[2 * t] + half_sums[2 * t + 1];
            dot[t] = V(splat_int)(-offset * total);
        }
#pragma clang loop unroll(full)
        for (int s = g * (8 / groups); s < (g + 1) * (8 / groups); s++) {
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) {
                const int32_t a = steps[(size_t)s * width + (size_t)t];
                dot[t] = is_signed ? V(dot4_signed)(dot[t], w[s], a) : V(dot4)(dot[t], w[s], a);
            }
        }
        V(add_scaled)(sum, m, dot, d[g], scale);
        if (has_min && groups == 1) V(add_minima)(sum, m, minimum[0], scaled_sum);
        if (has_min && groups == 2) {
            float scaled_half[APUS_TILE_TOKENS];
            V(scale_halves)(scaled_half, m, scale, half_sums, g);
            V(add_minima)(sum, m, minimum[g], scaled_half);
        }
    }
}

// How unpacked tiles are stored and multiplied: by rows, unless the instruction set has an order of its own.
#ifndef APUS_UNPACKED
#define APUS_UNPACKED "quants/unpacked_rows.inl.h"
#endif
#include APUS_UNPACKED
#undef APUS_UNPACKED
