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

enum {
    V(four_tokens) = V(step_tokens) < 4 ? 1 : V(step_tokens) / 4, ///< as many sums as of one tile
    /// Whose weights of four tiles, widened once for all tokens, stay in the first cache level beside the activations.
    V(panel_steps) = 96 / V(step_words),
};

/// m tokens, a constant, times `steps` steps of four tiles' widened weights, which share each word of the activations.
/// Sums come from `sums` (tokens, 4, 16) unless `is_first`, and go there, or out if `is_last`. Meanwhile the
/// activations at `ahead` are fetched.
APUS_INLINE void V(four_tiles)(const V(step_weights) (*panel)[4], size_t steps, const float *acts, const float *ahead,
                               size_t width, int m, bool is_first, bool is_last, const apus_sums out[4], size_t t0,
                               float *sums) {
    f32x16 sum[V(four_tokens)][4];
    V(begin_four)(sum, m, is_first, is_last, sums, out, t0);
    for (size_t s = 0; s < steps; s++) {
        const size_t at = s * V(step_words) * width;
        __builtin_prefetch(ahead + at);
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++)
            for (int r = 0; r < 4; r++) sum[t][r] = V(add_step)(sum[t][r], panel[s][r], acts + at + t, width);
    }
    V(end_four)(sum, m, is_last, sums, out, t0);
}

static void V(APUS_MULTIPLY_FOUR)(const uint8_t *const tiles[4], size_t cols, const void *acts, size_t tokens,
                                  const apus_sums out[4], float *sums) {
    const size_t steps = (cols + APUS_STEP_COLS - 1) / APUS_STEP_COLS;
    const size_t step_bytes = 16 * APUS_STEP_COLS * sizeof(element);
    V(step_weights) panel[V(panel_steps)][4];
    for (size_t first = 0, n; first < steps; first += n) {
        n = steps - first < V(panel_steps) ? steps - first : V(panel_steps);
        const bool is_first = first == 0, is_last = first + n == steps;
        for (size_t s = 0; s < n; s++)
            for (size_t r = 0; r < 4; r++) panel[s][r] = V(load_step)(tiles[r] + (first + s) * step_bytes);
        for (size_t token = 0, width; token < tokens; token += width) {
            width = tokens - token < APUS_TILE_TOKENS ? tokens - token : APUS_TILE_TOKENS;
            const float *a = (const float *)acts + (token * steps + first * width) * V(step_words);
            const float *next = token + width < tokens ? a + width * steps * V(step_words) : a;
            for (size_t t = 0; t < width;) {
                float *s = sums + (token + t) * 64;
#define APUS_CASE(m)                                                                                                   \
    if (width - t >= m && m <= V(four_tokens)) {                                                                       \
        V(four_tiles)(panel, n, a + t, t == 0 ? next : a, width, m, is_first, is_last, out, token + t, s);             \
        t += m;                                                                                                        \
        continue;                                                                                                      \
    }
                APUS_CASE(6)
                APUS_CASE(4)
                APUS_CASE(2)
                APUS_CASE(1)
#undef APUS_CASE
            }
        }
    }
}
