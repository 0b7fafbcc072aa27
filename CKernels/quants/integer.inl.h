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

/// Ahead of the reads, so that the memory's latency is hidden: 4 KiB is what DESIGN.md measured best.
enum { V(prefetch_bytes) = 4096 };

APUS_INLINE void V(direct)(const uint8_t *tile, size_t cols, const uint8_t *acts, size_t width, size_t t0, int m,
                           float *out) {
    enum { plane = APUS_BITS * 64 };
    const uint8_t *scales = tile + plane_bytes(cols);
    const int offset = APUS_OFFSET + (APUS_FORM == APUS_SIGNED ? V(signed_offset) : 0);
    f32x16 sum[APUS_TILE_TOKENS];
    for (int t = 0; t < m; t++) sum[t] = (f32x16){0};
    for (size_t block = 0; block < cols / 32; block++) {
        const uint8_t *planes = tile + block * plane;
        for (int i = 0; i < plane; i += 64) __builtin_prefetch(planes + i + V(prefetch_bytes));
        u8x64 w[8];
        f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
        V(unpack_codes)(planes, w);
        V(UNPACK_SCALES)(scales, block, d, minimum);
        V(add_block)(sum, m, w, d, minimum, offset, APUS_GROUPS, APUS_HAS_MIN, APUS_FORM == APUS_SIGNED,
                     acts + block * APUS_Q8_RECORD * width, width, t0);
    }
    for (int t = 0; t < m; t++) V(store)(out + (t0 + (size_t)t) * 16, sum[t]);
}

static void V(unpack)(const uint8_t *tile, size_t cols, uint8_t *values, float *all_scales, float *minima) {
    const uint8_t *scales = tile + plane_bytes(cols);
    for (size_t block = 0; block < cols / 32; block++) {
        u8x64 w[8];
        f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
        V(unpack_codes)(tile + block * apus_plane_bytes(APUS_BITS), w);
        V(UNPACK_SCALES)(scales, block, d, minimum);
        V(put_values)(values + block * 512, w);
        for (size_t g = 0; g < APUS_GROUPS; g++) {
            const size_t at = (block * APUS_GROUPS + g) * 16;
            V(store)(all_scales + at, d[g]);
            if (APUS_HAS_MIN) V(store)(minima + at, minimum[g]);
        }
    }
}

static void V(product)(const uint8_t *tile, size_t cols, const void *acts, size_t tokens, float *out, void *scratch) {
    if (tokens > APUS_DIRECT_TOKENS) {
        uint8_t *values = scratch;
        float *scales = (float *)(values + cols * 16), *minima = scales + cols / 32 * APUS_GROUPS * 16;
        V(unpack)(tile, cols, values, scales, minima);
        const apus_unpacked unpacked = {values, scales, minima,
                                        APUS_OFFSET + (APUS_FORM == APUS_SIGNED ? V(signed_offset) : 0)};
        apus_unpacked_product[APUS_FORM][V(isa)](&unpacked, cols, acts, tokens, out);
        return;
    }
    for (size_t t = 0; t < tokens;) {
        const size_t left = tokens - t;
        const int m = (int)(left < V(product_tokens) ? left : V(product_tokens));
        switch (m) {
        case 1:
            V(direct)(tile, cols, acts, tokens, t, 1, out);
            break;
        case 2:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 2 ? 2 : 1, out);
            break;
        case 3:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 3 ? 3 : 1, out);
            break;
        case 4:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 4 ? 4 : 1, out);
            break;
        case 5:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 5 ? 5 : 1, out);
            break;
        case 6:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 6 ? 6 : 1, out);
            break;
        case 7:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 7 ? 7 : 1, out);
            break;
        default:
            V(direct)(tile, cols, acts, tokens, t, V(product_tokens) >= 8 ? 8 : 1, out);
            break;
        }
        t += (size_t)m;
    }
}
