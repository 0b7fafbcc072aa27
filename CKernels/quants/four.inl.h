// Products of a stretch of four unpacked tiles, per instruction set. The tiles' blocks take turns: values
// (blocks, 4, 512), scales and minima (blocks, 4, groups, 16).
#ifdef APUS_BY_STEPS
#include "quants/block.inl.h"

enum { V(four_tokens) = 3 }; ///< 12 integer and 12 running sums

/// Adds a block's products with m tokens, a constant as what follows `minima` up to `has_min`.
APUS_INLINE void V(add_four)(f32x16 (*sum)[4], int m, const uint8_t *values, const float *scales, const float *minima,
                             int offset, int groups, int has_min, const uint8_t *acts, const uint8_t *ahead,
                             size_t width, size_t t0) {
    // Hidden from the compiler, as in V(add_block).
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0, *starts = steps + 10 * width;
    const float *scale = (const float *)acts + 8 * width + t0;
    i32x16 dot[4][V(four_tokens)];
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            const i32x16 start = offset == 0 ? (i32x16){0} : V(start_of)(V(start)(starts, width, t, g, groups), offset);
            for (int r = 0; r < 4; r++) dot[r][t] = start;
        }
#pragma clang loop unroll(full)
        for (int s = g * (8 / groups); s < (g + 1) * (8 / groups); s++) {
            u8x64 w[4];
            __builtin_prefetch(ahead + s * 64);
            for (int r = 0; r < 4; r++) w[r] = V(load_bytes)(values + r * 512 + s * 64);
            __asm__ volatile("" ::: "memory"); // steps stay in order
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) {
                i32x16 word = V(splat_int)(steps[(size_t)s * width + (size_t)t]);
                __asm__("" : "+v"(word)); // read once
                for (int r = 0; r < 4; r++) dot[r][t] = V(dot4_each)(dot[r][t], w[r], word);
            }
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++)
                __asm__ volatile("" : "+v"(dot[0][t]), "+v"(dot[1][t]), "+v"(dot[2][t]), "+v"(dot[3][t]));
        }
        float scaled_half[V(four_tokens)];
        const float *scaled_sum = groups == 1 ? scale + width : scaled_half;
        if (has_min && groups == 2) V(scale_half)(scaled_half, m, scale, starts, width, g);
#pragma clang loop unroll(full)
        for (int r = 0; r < 4; r++) {
            const size_t at = (size_t)(r * groups + g) * 16;
            const f32x16 d = V(load)(scales + at), minimum = has_min ? V(load)(minima + at) : d;
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) {
                V(add_scaled)(&sum[t][r], 1, &dot[r][t], d, scale + t);
                if (has_min) V(add_minima)(&sum[t][r], 1, minimum, scaled_sum + t);
            }
        }
    }
}

/// m tokens from t0 on, times the first `blocks` blocks of `tiles`: sums come from `sums` (tokens, 4, 16)
/// unless `is_first`, and go there, or out if `is_last`. The activations at `ahead` are fetched meanwhile.
APUS_INLINE void V(four_tiles)(const apus_unpacked *tiles, size_t blocks, const uint8_t *acts, const uint8_t *ahead,
                               size_t width, size_t t0, int m, bool is_first, bool is_last, const apus_sums out[4],
                               float *sums, int offset, int groups, int has_min) {
    f32x16 sum[V(four_tokens)][4];
    V(begin_four)(sum, m, is_first, is_last, sums, out, t0);
    const size_t step = (size_t)groups * 64;
    for (size_t i = 0; i < blocks; i++)
        V(add_four)(sum, m, tiles->values + i * 2048, tiles->scales + i * step,
                    has_min ? tiles->minima + i * step : NULL, offset, groups, has_min,
                    acts + i * APUS_Q8_RECORD * width, ahead + i * APUS_Q8_RECORD * width, width, t0);
    V(end_four)(sum, m, is_last, sums, out, t0);
}

APUS_INLINE void V(four)(const apus_unpacked *tiles, apus_stretch part, const uint8_t *acts, size_t tokens,
                         const apus_sums out[4], float *sums, int offset, int groups, int has_min) {
    const bool is_first = part.first == 0, is_last = part.first + part.blocks == part.of;
    for (size_t token = 0, width; token < tokens; token += width) {
        width = tokens - token < APUS_TILE_TOKENS ? tokens - token : APUS_TILE_TOKENS;
        const uint8_t *a = acts + (token * part.of + part.first * width) * APUS_Q8_RECORD;
        const uint8_t *next = token + width < tokens ? a + width * part.of * APUS_Q8_RECORD : a;
        const apus_sums to[4] = {apus_sums_from(out[0], token), apus_sums_from(out[1], token),
                                 apus_sums_from(out[2], token), apus_sums_from(out[3], token)};
        for (size_t t = 0; t < width;) {
            float *s = sums + (token + t) * 64;
#define APUS_CASE(m)                                                                                                   \
    if (width - t >= m) {                                                                                              \
        V(four_tiles)(tiles, part.blocks, a, t == 0 ? next : a, width, t, m, is_first, is_last, to, s, offset, groups, \
                      has_min);                                                                                        \
        t += m;                                                                                                        \
        continue;                                                                                                      \
    }
            APUS_CASE(3)
            APUS_CASE(2)
            APUS_CASE(1)
#undef APUS_CASE
        }
    }
}

#define APUS_FOUR(name, offset, groups, has_min)                                                                       \
    static void V(name)(const apus_unpacked *tiles, apus_stretch part, const void *acts, size_t tokens,                \
                        const apus_sums out[4], float *sums) {                                                         \
        V(four)(tiles, part, acts, tokens, out, sums, offset, groups, has_min);                                        \
    }
APUS_FOUR(plain, APUS_START_OFFSET, 1, 0)
APUS_FOUR(minima, 0, 1, 1)
APUS_FOUR(halves, APUS_START_OFFSET, 2, 0)
APUS_FOUR(half_minima, 0, 2, 1)
APUS_FOUR(signed_bytes, V(signed_offset), 1, 0)
#undef APUS_FOUR
#endif
