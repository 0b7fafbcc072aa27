// The product of one block of 32 columns of a tile with the packed activations of m tokens: the formula of every
// integer type, at every number of tokens.
//   sum[t][r] = fma(int, d[r] * scale[t], sum[t][r]), int = sum over the block (or its half) of (w - offset) * a;
//   then, with minima, sum[t][r] = fma(m[r], scale[t] * (sum of a), sum[t][r]), also of the block (or its half).
#include "quants/sums.inl.h"

/// The last steps of the formula, for the integer sums of a block (or its half) of m tokens.
APUS_INLINE void V(add_scaled)(f32x16 *sum, int m, const i32x16 *dot, f32x16 d, const float *scale) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) sum[t] = V(fma)(V(to_float)(dot[t]), d * V(splat)(scale[t]), sum[t]);
}

APUS_INLINE void V(add_minima)(f32x16 *sum, int m, f32x16 minimum, const float *scaled_sum) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) sum[t] = V(fma)(minimum, V(splat)(scaled_sum[t]), sum[t]);
}

/// APUS_START_OFFSET times minus the sum of a: of the block, or of half g of it. `starts` as in core/op.h.
APUS_INLINE i32x16 V(start)(const int32_t *starts, size_t width, int t, int g, int groups) {
    if (groups == 1) return V(splat_int)(starts[t]);
    const i32x16 first = V(splat_int)(starts[width + (size_t)t]);
    return g == 0 ? first : V(splat_int)(starts[t]) - first;
}

/// The same times `offset` (a constant) instead.
APUS_INLINE i32x16 V(start_of)(i32x16 start, int offset) {
    return offset % APUS_START_OFFSET == 0 ? start * (offset / APUS_START_OFFSET) : (start >> 5) * offset;
}
_Static_assert(APUS_START_OFFSET == 1 << 5, "as start_of() divides");

/// scale[t] * (sum of a) of half g of a block: what add_minima takes where each half has a minimum.
APUS_INLINE void V(scale_half)(float *scaled_sum, int m, const float *scale, const int32_t *starts, size_t width,
                               int g) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) {
        const int32_t first = starts[width + (size_t)t], start = g == 0 ? first : starts[t] - first;
        scaled_sum[t] = scale[t] * ((float)start * (-1.0f / APUS_START_OFFSET)); // but for the scale exact
    }
}

/// `acts` is a record of packed activations `width` tokens wide, from its token t0 on; m, offset, groups, has_min and
/// is_signed are constants.
APUS_INLINE void V(add_block)(f32x16 *sum, int m, const u8x64 w[8], const f32x16 d[2], const f32x16 minimum[2],
                              int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                              size_t t0) {
    // Hidden from the compiler, which otherwise keeps an address of each step and token in memory: they come from
    // `acts` and multiples of `width` at no cost.
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0;
    const float *scale = (const float *)acts + 8 * width + t0;
    const float *scaled_sum = scale + width;
    const int32_t *starts = (const int32_t *)acts + 10 * width + t0;
    i32x16 dot[APUS_TILE_TOKENS];
    for (int g = 0; g < groups; g++) {
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            dot[t] = (i32x16){0};
            if (offset != 0) dot[t] = V(start_of)(V(start)(starts, width, t, g, groups), offset);
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
            V(scale_half)(scaled_half, m, scale, starts, width, g);
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
