// Products of an unpacked tile, per instruction set.
#include "quants/block.inl.h"

/// m tokens from t0 on, in a tile of activations `width` tokens wide. The last seven arguments are constants.
APUS_INLINE void V(tile_tokens)(const apus_unpacked *tile, size_t cols, const uint8_t *acts, size_t width, size_t t0,
                                apus_sums out, int m, int fetches, int spreads, int offset, int groups, int has_min,
                                int is_signed) {
    f32x16 sum[APUS_TILE_TOKENS];
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) {
        sum[t] = (f32x16){0};
        V(expect_sum)(out, t0 + (size_t)t);
    }
    for (size_t block = 0; block < cols / 32; block++) {
        const size_t at = block * (size_t)groups * 16, bytes = tile->block_bytes;
        for (size_t i = 0; fetches && i < bytes; i += 64) __builtin_prefetch(tile->next + block * bytes + i, 0, 2);
        const uint8_t *values = tile->values + block * 512, *record = acts + block * APUS_Q8_RECORD * width;
        const float *scales = tile->scales + at, *minima = has_min ? tile->minima + at : NULL;
#ifdef APUS_BY_STEPS
        if (spreads) {
            V(add_steps)(sum, m, values, scales, minima, offset, groups, has_min, record, width, t0, 4);
            continue;
        }
#else
        (void)spreads;
#endif
        V(add_values)(sum, m, values, scales, minima, offset, groups, has_min, is_signed, record, width, t0);
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) V(put_sum)(out, t0 + (size_t)t, sum[t]);
}

_Static_assert(APUS_TILE_TOKENS % V(product_tokens) == 0, "so that the tiles' parts begin at multiples of it");

APUS_INLINE void V(all_tokens)(const apus_unpacked *tile, size_t cols, const uint8_t *acts, size_t tokens,
                               apus_sums out, int offset, int groups, int has_min, int is_signed) {
    // As many tokens at once as the registers hold; each number is compiled by itself, and beside the last of the most
    // the next tile is fetched: fewer would be done before it comes.
    enum { most = V(product_tokens) };
    const bool spreads = !has_min && V(spreads)(); // products with minima wait for multipliers, not for reads
    const size_t fetch_at = tokens >= most ? (tokens / most - 1) * most : tokens;
    for (size_t first = 0; first < tokens; first += APUS_TILE_TOKENS) {
        const size_t left = tokens - first, width = left < APUS_TILE_TOKENS ? left : APUS_TILE_TOKENS;
        for (size_t t = 0; t < width;) {
            const size_t rest = width - t, m = rest < most ? rest : most;
#define APUS_TOKENS(n, fetches, spreads)                                                                               \
    V(tile_tokens)(tile, cols, acts, width, t, out, n <= most ? n : 1, fetches, spreads, offset, groups, has_min,      \
                   is_signed)
#define APUS_CASE(n) APUS_TOKENS(n, 0, 0)
            switch (first + t == fetch_at ? 0 : m) {
            case 0:
                if (spreads)
                    APUS_TOKENS(most, 1, 1);
                else
                    APUS_TOKENS(most, 1, 0);
                break;
            case 1:
                APUS_CASE(1);
                break;
            case 2:
                APUS_CASE(2);
                break;
            case 3:
                APUS_CASE(3);
                break;
            case 4:
                APUS_CASE(4);
                break;
            case 5:
                APUS_CASE(5);
                break;
            case 6:
                APUS_CASE(6);
                break;
            case 7:
                APUS_CASE(7);
                break;
            case 8:
                APUS_CASE(8);
                break;
            case 9:
                APUS_CASE(9);
                break;
            case 10:
                APUS_CASE(10);
                break;
            case 11:
                APUS_CASE(11);
                break;
            default:
                if (spreads)
                    APUS_TOKENS(12, 0, 1);
                else
                    APUS_CASE(12);
                break;
            }
#undef APUS_CASE
#undef APUS_TOKENS
            t += m;
        }
        acts += width * APUS_Q8_RECORD * (cols / 32);
        out = apus_sums_from(out, width);
    }
}

static void V(plain)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens, apus_sums out) {
    V(all_tokens)(tile, cols, acts, tokens, out, APUS_START_OFFSET, 1, 0, 0);
}

static void V(minima)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens, apus_sums out) {
    V(all_tokens)(tile, cols, acts, tokens, out, 0, 1, 1, 0);
}

static void V(halves)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens, apus_sums out) {
    V(all_tokens)(tile, cols, acts, tokens, out, APUS_START_OFFSET, 2, 0, 0);
}

static void V(half_minima)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens, apus_sums out) {
    V(all_tokens)(tile, cols, acts, tokens, out, 0, 2, 1, 0);
}

static void V(signed_bytes)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens, apus_sums out) {
    V(all_tokens)(tile, cols, acts, tokens, out, V(signed_offset), 1, 0, 1);
}
