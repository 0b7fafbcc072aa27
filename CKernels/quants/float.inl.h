// A float type's product, per instruction set: sum[t][r] = fma(w[r][c], a[t][c], sum[t][r]), column by column.

/// `m` tokens from t0 on (a constant), in a tile of activations `width` tokens wide.
APUS_INLINE void V(tile_tokens)(const uint8_t *tile, size_t cols, const float *acts, size_t width, size_t t0, int m,
                                float *out) {
    f32x16 sum[APUS_TILE_TOKENS];
    for (int t = 0; t < m; t++) sum[t] = (f32x16){0};
    for (size_t c = 0; c < cols; c++) {
        const uint8_t *column = tile + c * 16 * sizeof(element);
        __builtin_prefetch(column + 4096);
        const f32x16 w = V(load_column)(column);
#pragma clang loop unroll(full)
        for (int t = 0; t < m; t++) sum[t] = V(fma)(w, V(splat)(acts[c * width + t0 + (size_t)t]), sum[t]);
    }
    for (int t = 0; t < m; t++) V(store)(out + (t0 + (size_t)t) * 16, sum[t]);
}

static void V(product)(const uint8_t *tile, size_t cols, const void *acts, const void *rest, size_t tokens, float *out,
                       void *scratch) {
    (void)rest; // the activations are whole
    (void)scratch;
    const float *a = acts;
    for (size_t first = 0; first < tokens; first += APUS_TILE_TOKENS) {
        const size_t left = tokens - first, width = left < APUS_TILE_TOKENS ? left : APUS_TILE_TOKENS;
        for (size_t t = 0; t < width;) {
            const size_t rest = width - t;
#define APUS_CASE(n)                                                                                                   \
    if (rest >= n && n <= V(float_tokens)) {                                                                           \
        V(tile_tokens)(tile, cols, a, width, t, n, out);                                                               \
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
        a += width * cols;
        out += width * 16;
    }
}
