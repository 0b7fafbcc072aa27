// The product of a stored block step after step, the sums of all tokens side by side, and held to that order. Left to
// itself clang takes token after token: products that each wait for the one before, and the scaling, for which a
// processor that starts two a cycle does not see far enough ahead. (Zen 5, GMAC/s before and after: one core,
// APUS_HALVES 232, 285; two cores, (2048, 8192), Q4_0 654, 700; Q8_0 623, 700.)
//
// Spreading: a product takes a token's word out of memory, and a processor that starts two products a cycle starts two
// reads a cycle too, so that all other reads come on top. A third of the words are therefore read four at a time and
// spread by shuffles, where those have a pipe that products do not use. (Two Zen 5 cores, 512 tokens, (2048, 8192),
// GMAC/s with the words of no token spread, of 4 and of 8: Q4_0 700, 726, 745; Q8_0 700, 714, 668; Q6_K 552, 610, 578.)

/// Nothing is read before `x` is there that is read after it.
APUS_INLINE void V(hold)(f32x16 *x) { __asm__ volatile("" : "+v"(*x)::"memory"); }

/// Word i of each quarter of x, in all of the quarter.
#define APUS_SPREAD(x, i)                                                                                              \
    __builtin_shufflevector(x, x, i, i, i, i, 4 + i, 4 + i, 4 + i, 4 + i, 8 + i, 8 + i, 8 + i, 8 + i, 12 + i, 12 + i,  \
                            12 + i, 12 + i)

/// Adds a step's products with m tokens, whose words stand at `words`; those of the first `spread`, 0 or 4, are spread.
APUS_INLINE void V(add_step)(i32x16 *dot, int m, u8x64 w, const int32_t *words, int spread) {
    if (spread != 0) {
        i32x16 four = (i32x16)V(four_times)(words);
        __asm__("" : "+v"(four)); // or clang reads each by itself again
        dot[0] = V(dot4_each)(dot[0], w, APUS_SPREAD(four, 0));
        dot[1] = V(dot4_each)(dot[1], w, APUS_SPREAD(four, 1));
        dot[2] = V(dot4_each)(dot[2], w, APUS_SPREAD(four, 2));
        dot[3] = V(dot4_each)(dot[3], w, APUS_SPREAD(four, 3));
    }
#pragma clang loop unroll(full)
    for (int t = spread; t < m; t++) dot[t] = V(dot4)(dot[t], w, words[t]);
}
#undef APUS_SPREAD

/// V(add_values), with the words of the first `spread` of m tokens spread; also of signed codes, whose products are not
/// different here.
APUS_INLINE void V(add_steps)(f32x16 *sum, int m, const uint8_t *values, const float *scales, const float *minima,
                              int offset, int groups, int has_min, const uint8_t *acts, size_t width, size_t t0,
                              int spread) {
    // Hidden from the compiler, as in V(add_block).
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0, *starts = steps + 10 * width;
    const float *scale = (const float *)acts + 8 * width + t0;
    i32x16 dot[APUS_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++)
            dot[t] = offset == 0 ? (i32x16){0} : V(start_of)(V(start)(starts, width, t, g, groups), offset);
#pragma clang loop unroll(full)
        for (int s = g * (8 / groups); s < (g + 1) * (8 / groups); s++) {
            const u8x64 w = V(load_bytes)(values + s * 64);
            __asm__ volatile("" ::: "memory");
            V(add_step)(dot, m, w, steps + (size_t)s * width, spread);
        }
        float scaled_half[APUS_TILE_TOKENS];
        const float *scaled_sum = groups == 1 ? scale + width : scaled_half;
        if (has_min && groups == 2) V(scale_half)(scaled_half, m, scale, starts, width, g);
        const f32x16 d = V(load)(scales + g * 16), minimum = has_min ? V(load)(minima + g * 16) : d;
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            V(add_scaled)(&sum[t], 1, &dot[t], d, scale + t);
            if (has_min) V(add_minima)(&sum[t], 1, minimum, &scaled_sum[t]);
            V(hold)(&sum[t]);
        }
    }
}
