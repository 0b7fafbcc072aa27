// The product of a stored block with two scales, step after step, the sums of all tokens side by side, and held to that
// order. Left to itself clang takes token after token: four products, each waiting for the one before, and the scaling,
// for which a processor that starts two a cycle does not see far enough ahead. (APUS_HALVES, one Zen 5 core: 232 GMAC/s
// before, 285 after; blocks with one scale, of eight products, gain nothing.)

/// Nothing is read before `x` is there that is read after it.
APUS_INLINE void V(hold)(f32x16 *x) { __asm__ volatile("" : "+v"(*x)::"memory"); }

/// V(add_values) for two scales and codes that are not signed.
APUS_INLINE void V(add_halves)(f32x16 *sum, int m, const uint8_t *values, const float *scales, const float *minima,
                               int offset, int has_min, const uint8_t *acts, size_t width, size_t t0) {
    // Hidden from the compiler, as in V(add_block).
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0, *starts = steps + 10 * width;
    const float *scale = (const float *)acts + 8 * width + t0;
    i32x16 dot[APUS_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int g = 0; g < 2; g++) {
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++)
            dot[t] = offset == 0 ? (i32x16){0} : V(start_of)(V(start)(starts, width, t, g, 2), offset);
#pragma clang loop unroll(full)
        for (int s = g * 4; s < g * 4 + 4; s++) {
            const u8x64 w = V(load_bytes)(values + s * 64);
            __asm__ volatile("" ::: "memory");
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) dot[t] = V(dot4)(dot[t], w, steps[(size_t)s * width + (size_t)t]);
        }
        float scaled_sum[APUS_TILE_TOKENS];
        if (has_min) V(scale_half)(scaled_sum, m, scale, starts, width, g);
        const f32x16 d = V(load)(scales + g * 16), minimum = has_min ? V(load)(minima + g * 16) : d;
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            V(add_scaled)(&sum[t], 1, &dot[t], d, scale + t);
            if (has_min) V(add_minima)(&sum[t], 1, minimum, &scaled_sum[t]);
            V(hold)(&sum[t]);
        }
    }
}
