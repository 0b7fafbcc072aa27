// An integer type's product, per instruction set: directly from the packed planes for few tokens, or by unpacking the
// tile once and handing it to the product that the types share.
#include "quants/unpack.inl.h"
#include "quants/block.inl.h"

/// A block's codes as the products want them: at most 127, or signed bytes recoded.
APUS_INLINE void V(unpack_codes)(const uint8_t *planes, u8x64 w[8]) {
    V(UNPACK_CODES)(planes, w);
#ifdef APUS_CODEBOOK
    u8x64 table = V(four_times)(APUS_CODEBOOK);
    if (APUS_FORM == APUS_SIGNED) table = V(recode_signed)(table);
    for (int s = 0; s < 8; s++) w[s] = V(lookup)(table, w[s]);
#endif
}

/// Adds the products of a span of `blocks` blocks with m tokens to `sum`, those of a second plane of activations to
/// `rest_sum`.
APUS_INLINE void V(direct_span)(f32x16 *sum, f32x16 *rest_sum, const uint8_t *scales, size_t blocks,
                                const uint8_t *acts, const uint8_t *rest, size_t width, size_t t0, int m,
                                int has_rest) {
    enum { plane = APUS_BITS * 64, is_signed = APUS_FORM == APUS_SIGNED };
    const int offset = APUS_OFFSET + (is_signed ? V(signed_offset) : 0);
    const bool fetches = m > 1 || apus_isa_fetches_ahead();
    const uint8_t *planes = scales + blocks * block_scale_bytes();
    const size_t record = APUS_Q8_RECORD * width;
    for (size_t i = 0; i < blocks; i++, acts += record, rest += has_rest ? record : 0) {
        const uint8_t *ahead = scales + i * block_bytes() + APUS_AHEAD_BYTES;
        for (size_t j = 0; fetches && j < block_bytes(); j += 64) __builtin_prefetch(ahead + j);
        u8x64 w[8];
        f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
        V(unpack_codes)(planes + i * plane, w);
        V(UNPACK_SCALES)(scales, i, d, minimum);
        V(add_block)(sum, m, w, d, minimum, offset, APUS_GROUPS, APUS_HAS_MIN, is_signed, acts, width, t0);
        if (has_rest)
            V(add_block)(rest_sum, m, w, d, minimum, offset, APUS_GROUPS, APUS_HAS_MIN, is_signed, rest, width, t0);
    }
}

/// m tokens from t0 on, a constant as is `has_rest`: whether there is a second plane of activations, whose product is
/// added at the end. The weights are read once for both. All spans but a last shorter one have a constant length, so
/// that those of two blocks are unrolled. (Where a block of the file fills a span, there is none.)
APUS_INLINE void V(direct)(const uint8_t *tile, size_t cols, const uint8_t *acts, const uint8_t *rest, size_t width,
                           size_t t0, int m, int has_rest, apus_sums out) {
    const size_t span = apus_span_blocks(APUS_SCALE), blocks = cols / 32, record = span * APUS_Q8_RECORD * width;
    f32x16 sum[APUS_DIRECT_TOKENS], rest_sum[APUS_DIRECT_TOKENS];
    for (int t = 0; t < m; t++) sum[t] = rest_sum[t] = (f32x16){0};
    for (size_t i = 0; i < blocks / span; i++) {
        V(direct_span)(sum, rest_sum, tile, span, acts, rest, width, t0, m, has_rest);
        tile += span * block_bytes();
        acts += record;
        rest += has_rest ? record : 0;
    }
    if (APUS_BLOCK / 32 < span && blocks % span != 0)
        V(direct_span)(sum, rest_sum, tile, blocks % span, acts, rest, width, t0, m, has_rest);
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++) V(put_sum)(out, t0 + (size_t)t, has_rest ? sum[t] + rest_sum[t] : sum[t]);
}

/// One token where an unpacked block takes all registers: half of the steps after the other.
APUS_INLINE void V(direct_one)(const uint8_t *tile, size_t cols, const uint8_t *acts, apus_sums out) {
    enum { plane = APUS_BITS * 64, is_signed = APUS_FORM == APUS_SIGNED };
    const int offset = APUS_OFFSET + (is_signed ? V(signed_offset) : 0);
    f32x16 sum = {0};
    for (size_t first = 0; first < cols / 32; first += apus_span_blocks(APUS_SCALE)) {
        const size_t blocks = span_blocks(cols, first);
        const uint8_t *scales = tile + first * block_bytes(), *planes = scales + blocks * block_scale_bytes();
        for (size_t i = 0; i < blocks; i++) {
            const int32_t *steps = (const int32_t *)(acts + (first + i) * APUS_Q8_RECORD), *starts = steps + 10;
            const float *scale = (const float *)steps + 8;
            i32x16 dot = {0};
#pragma clang loop unroll(full)
            for (int half = 0; half < 2; half++) {
                const int g = APUS_GROUPS == 2 ? half : 0;
                __asm__ volatile("" ::: "memory"); // keeps the halves apart
                u8x64 w[8];
                V(unpack_codes)(planes + i * plane, w);
                if (half == 0 || APUS_GROUPS == 2)
                    dot = offset == 0 ? (i32x16){0} : V(start_of)(V(start)(starts, 1, 0, g, APUS_GROUPS), offset);
#pragma clang loop unroll(full)
                for (int s = half * 4; s < half * 4 + 4; s++)
                    dot = is_signed ? V(dot4_signed)(dot, w[s], steps[s]) : V(dot4)(dot, w[s], steps[s]);
                if (half == 0 && APUS_GROUPS == 1) continue;
                __asm__ volatile("" ::: "memory");
                f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
                V(UNPACK_SCALES)(scales, i, d, minimum);
                V(add_scaled)(&sum, 1, &dot, d[g], scale);
                if (!APUS_HAS_MIN) continue;
                float scaled_sum = scale[1];
                if (APUS_GROUPS == 2) V(scale_half)(&scaled_sum, 1, scale, starts, 1, g);
                V(add_minima)(&sum, 1, minimum[g], &scaled_sum);
            }
        }
    }
    V(put_sum)(out, 0, sum);
}

static void V(unpack)(const uint8_t *tile, size_t begin, size_t n_blocks, size_t number, size_t n, uint8_t *values,
                      float *all_scales, float *minima) {
    enum { plane = APUS_BITS * 64 };
    tile += begin * block_bytes();
    for (size_t first = 0; first < n_blocks; first += apus_span_blocks(APUS_SCALE)) {
        const size_t blocks = span_blocks(n_blocks * 32, first);
        const uint8_t *scales = tile + first * block_bytes(), *planes = scales + blocks * block_scale_bytes();
        for (size_t i = 0; i < blocks; i++) {
            u8x64 w[8];
            f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
            V(unpack_codes)(planes + i * plane, w);
            if (APUS_FORM == APUS_PLAIN || APUS_FORM == APUS_HALVES)
                for (int s = 0; s < 8; s++) w[s] += APUS_START_OFFSET - APUS_OFFSET;
            V(UNPACK_SCALES)(scales, i, d, minimum);
            const size_t turn = (first + i) * n + number;
            V(put_values)(values + turn * 512, w);
            for (size_t g = 0; g < APUS_GROUPS; g++) {
                const size_t at = (turn * APUS_GROUPS + g) * 16;
                V(store)(all_scales + at, d[g]);
                if (APUS_HAS_MIN) V(store)(minima + at, minimum[g]);
            }
        }
    }
}

static void V(product)(const uint8_t *tile, size_t cols, const void *acts, const void *rest, size_t tokens,
                       apus_sums out, void *scratch) {
    // Where eight tokens share an unpacked block, unpacking costs little and hides behind the products: storing it pays
    // late. (Q4_0, 16 tokens, from the second cache level: 156 GMAC/s stored, 186 unpacked twice.)
    enum { limit = V(direct_tokens), most = limit == 8 ? 2 * APUS_TILE_TOKENS : limit == 1 ? 1 : APUS_DIRECT_TOKENS };
    if (tokens > most) {
        uint8_t *values = scratch;
        float *scales = (float *)(values + cols * 16), *minima = scales + cols / 32 * APUS_GROUPS * 16;
        V(unpack)(tile, 0, cols / 32, 0, 1, values, scales, minima);
        const apus_unpacked unpacked = {values, scales, minima, tile + cols / 32 * block_bytes(), block_bytes()};
        apus_unpacked_product[APUS_FORM][V(isa)](&unpacked, cols, acts, tokens, out);
        out.add = true;
        if (rest != NULL) apus_unpacked_product[APUS_FORM][V(isa)](&unpacked, cols, rest, tokens, out);
        return;
    }
    if (limit == 1) {
        V(direct_one)(tile, cols, acts, out);
        out.add = true;
        if (rest != NULL) V(direct_one)(tile, cols, rest, out);
        return;
    }
    // As many as the registers hold; each number is compiled by itself, the commonest ones twice where that gains
    // something, which is not on AVX2.
    enum { is_wide = limit == 8 };
    for (size_t first = 0; first < tokens; first += APUS_TILE_TOKENS) {
        const size_t width = tokens - first < APUS_TILE_TOKENS ? tokens - first : APUS_TILE_TOKENS;
        const size_t before = first * APUS_Q8_RECORD * (cols / 32);
        const uint8_t *a = (const uint8_t *)acts + before, *b = rest != NULL ? (const uint8_t *)rest + before : NULL;
        for (size_t t = 0; t < width;) {
            const size_t left = width - t;
#define APUS_CASE(n, has_rest)                                                                                         \
    if (left >= n && n <= limit) {                                                                                     \
        if (is_wide && (n == 1 || n == 2 || n == 4) && width == n) /* a constant: no register for its multiples */     \
            V(direct)(tile, cols, a, b, n, 0, n, has_rest, out);                                                       \
        else                                                                                                           \
            V(direct)(tile, cols, a, b, width, t, n, has_rest, out);                                                   \
        t += n;                                                                                                        \
        continue;                                                                                                      \
    }
            if (rest != NULL) {
                APUS_CASE(4, 1)
                APUS_CASE(2, 1)
                APUS_CASE(1, 1)
            }
            APUS_CASE(8, 0)
            APUS_CASE(7, 0)
            APUS_CASE(6, 0)
            APUS_CASE(5, 0)
            APUS_CASE(4, 0)
            APUS_CASE(3, 0)
            APUS_CASE(2, 0)
            APUS_CASE(1, 0)
#undef APUS_CASE
        }
        out = apus_sums_from(out, width);
    }
}
