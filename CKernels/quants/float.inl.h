// A float type's product, per instruction set, step by step of APUS_STEP_COLS columns:
//   sum[t] = V(add_step)(sum[t], V(load_step)(the step's weights), the step's activations of token t, width)
// Both functions are the weight type's, and so are the type V(step_weights) between them and V(step_words): how many
// words of 4 bytes, `width` words apart, the activations of a step and a token are; V(step_tokens) are taken at once,
// by what the registers hold. The product's name is APUS_MULTIPLY, if defined, that of four tiles APUS_MULTIPLY_FOUR.
#ifndef APUS_MULTIPLY
#define APUS_MULTIPLY product
#define APUS_MULTIPLY_FOUR four
#endif

#include "quants/sums.inl.h"

/// `m` tokens of a tile of activations `width` tokens wide; after the first 12, the others are those of the tile at
/// `next`. `is_last`: the next tile of weights is fetched meanwhile. (m and is_last are constants.)
APUS_INLINE void V(tile_tokens)(const uint8_t *tile, size_t steps, const float *acts, const float *next, size_t width,
                                int m, int is_last, apus_sums out) {
    const size_t step_bytes = 16 * APUS_STEP_COLS * sizeof(element);
    // Beside 24 tokens weights come soon enough by themselves, but for a tile's first ones.
    const bool fetches = m < 2 * APUS_TILE_TOKENS && (m > 1 || apus_isa_fetches_ahead());
    const size_t ahead = is_last ? steps * step_bytes : APUS_AHEAD_BYTES;
    f32x16 sum[2 * APUS_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) {
        sum[t] = (f32x16){0};
        V(expect_sum)(out, (size_t)t);
    }
    for (size_t s = 0; s < steps; s++) {
        const uint8_t *weights = tile + s * step_bytes;
        if (fetches || is_last) __builtin_prefetch(weights + ahead);
        const V(step_weights) w = V(load_step)(weights);
        const size_t at = s * V(step_words) * width;
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) {
            const float *act = t < APUS_TILE_TOKENS ? acts + at + t : next + at + (t - APUS_TILE_TOKENS);
            sum[t] = V(add_step)(sum[t], w, act, width);
        }
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) V(put_sum)(out, (size_t)t, sum[t]);
}

static void V(APUS_MULTIPLY)(const uint8_t *tile, size_t cols, const void *acts, const void *rest, size_t tokens,
                             apus_sums out, void *scratch) {
    (void)rest; // the activations are whole
    (void)scratch;
    const size_t steps = (cols + APUS_STEP_COLS - 1) / APUS_STEP_COLS;
    const float *a = acts;
    for (size_t first = 0; first < tokens;) {
        const size_t left = tokens - first, width = left < APUS_TILE_TOKENS ? left : APUS_TILE_TOKENS;
        const float *next = a + width * steps * V(step_words);
        if (left >= 2 * APUS_TILE_TOKENS && V(step_tokens) == 2 * APUS_TILE_TOKENS) {
            if (left < 4 * APUS_TILE_TOKENS)
                V(tile_tokens)(tile, steps, a, next, width, 2 * APUS_TILE_TOKENS, 1, out);
            else
                V(tile_tokens)(tile, steps, a, next, width, 2 * APUS_TILE_TOKENS, 0, out);
            a = next + width * steps * V(step_words);
            out = apus_sums_from(out, 2 * width);
            first += 2 * width;
            continue;
        }
        for (size_t t = 0; t < width;) {
            const size_t rest = width - t;
#define APUS_CASE(n)                                                                                                   \
    if (rest >= n && n <= V(step_tokens)) {                                                                            \
        V(tile_tokens)(tile, steps, a + t, next, width, n, 0, apus_sums_from(out, t));                                 \
        t += n;                                                                                                        \
        continue;                                                                                                      \
    }
            APUS_CASE(12)
            APUS_CASE(8)
            APUS_CASE(6)
            APUS_CASE(4)
            APUS_CASE(2)
            APUS_CASE(1)
#undef APUS_CASE
        }
        a = next;
        out = apus_sums_from(out, width);
        first += width;
    }
}

/// m tokens, a constant, times two tiles, which share each word of the activations.
APUS_INLINE void V(two_tiles)(const uint8_t *const tiles[2], size_t steps, const float *acts, size_t width, int m,
                              const apus_sums out[2], size_t t0) {
    const size_t step_bytes = 16 * APUS_STEP_COLS * sizeof(element);
    f32x16 sum[2][APUS_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) sum[0][t] = sum[1][t] = (f32x16){0};
    for (size_t s = 0; s < steps; s++) {
        const V(step_weights) w[2] = {V(load_step)(tiles[0] + s * step_bytes), V(load_step)(tiles[1] + s * step_bytes)};
        const float *act = acts + s * V(step_words) * width;
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++)
            for (int r = 0; r < 2; r++) sum[r][t] = V(add_step)(sum[r][t], w[r], act + t, width);
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++)
        for (int r = 0; r < 2; r++) V(put_sum)(out[r], t0 + (size_t)t, sum[r][t]);
}

static void V(APUS_MULTIPLY_FOUR)(const uint8_t *const tiles[4], size_t cols, const void *acts, size_t tokens,
                                  const apus_sums out[4]) {
    const size_t steps = (cols + APUS_STEP_COLS - 1) / APUS_STEP_COLS;
    for (int pair = 0; pair < 4; pair += 2) {
        const float *a = acts;
        for (size_t first = 0, width; first < tokens; first += width, a += width * steps * V(step_words)) {
            width = tokens - first < APUS_TILE_TOKENS ? tokens - first : APUS_TILE_TOKENS;
            for (size_t t = 0; t < width;) {
#define APUS_CASE(n)                                                                                                   \
    if (width - t >= n && 2 * n <= V(step_tokens)) {                                                                   \
        V(two_tiles)(tiles + pair, steps, a + t, width, n, out + pair, first + t);                                     \
        t += n;                                                                                                        \
        continue;                                                                                                      \
    }
                APUS_CASE(12)
                APUS_CASE(8)
                APUS_CASE(4)
                APUS_CASE(2)
                APUS_CASE(1)
#undef APUS_CASE
            }
        }
    }
}
