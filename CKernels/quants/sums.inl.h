// Where a product's sums go, per instruction set: straight to their place, which is fetched while they are computed.
// Tokens are so far from each other there, often by a power of two, that one load or store after another waits for a
// far cache level. (512 tokens on one Zen 5 core, Q4_0, (rows, cols), GMAC/s, after storing from a buffer at the end
// and now: (2048, 2048) 285 and 303, (1536, 576) 279 and 340, adding to (2048, 8192) 261 and 302.)

/// Says that V(put_sum) will come.
APUS_INLINE void V(expect_sum)(apus_sums out, size_t t) { __builtin_prefetch(out.at + t * out.ld, 1); }

APUS_INLINE void V(put_sum)(apus_sums out, size_t t, f32x16 sum) {
    float *to = out.at + t * out.ld;
    V(store)(to, out.add ? V(load)(to) + sum : sum);
}

/// Begins the sums of four tiles with m tokens, a constant: they come from `waiting` (tokens, 4, 16) unless `is_first`.
APUS_INLINE void V(begin_four)(f32x16 (*sum)[4], int m, bool is_first, bool is_last, const float *waiting,
                               const apus_sums out[4], size_t t0) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++)
        for (int r = 0; r < 4; r++) {
            sum[t][r] = is_first ? (f32x16){0} : V(load)(waiting + (t * 4 + r) * 16);
            if (is_last) V(expect_sum)(out[r], t0 + (size_t)t);
        }
}

/// They go out if `is_last`, else back to `waiting`.
APUS_INLINE void V(end_four)(f32x16 (*sum)[4], int m, bool is_last, float *waiting, const apus_sums out[4], size_t t0) {
#pragma clang loop unroll(full)
    for (int t = 0; t < m; t++)
        for (int r = 0; r < 4; r++) {
            if (is_last)
                V(put_sum)(out[r], t0 + (size_t)t, sum[t][r]);
            else
                V(store)(waiting + (t * 4 + r) * 16, sum[t][r]);
        }
}
