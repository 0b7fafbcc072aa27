// The product of an unpacked block on AVX2: half of the rows after the other, so that the integer sums of six tokens
// have registers beside the weights of some steps. Pairs of products, 16 bits wide, are added as they are as far as
// they fit, which saves a multiplication and an addition for each.

APUS_INLINE void V(put_values)(uint8_t *values, const u8x64 w[8]) { __builtin_memcpy(values, w, 512); }

/// Nothing is read before `x` is there that is read after it: left to itself clang takes the loads and products of a
/// block in an order that wants more registers than there are.
APUS_INLINE void V(hold)(__m256i *x) { __asm__ volatile("" : "+x"(*x)::"memory"); }

/// V(add_block) for a stored block.
APUS_INLINE void V(add_values)(f32x16 *sum, int m, const uint8_t *values, const float *scales, const float *minima,
                               int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                               size_t t0) {
    // Hidden from the compiler, as in V(add_block).
    __asm__("" : "+r"(acts));
    const int32_t *steps = (const int32_t *)acts + t0, *starts = steps + 10 * width;
    const float *scale = (const float *)acts + 8 * width + t0, *scaled_sum = scale + width;
    // Codes are at most 31 where there are minima, else 63 as they are stored: 4 or 2 times a pair is below 2^15.
    enum { most = 4 };
    const int together = is_signed ? 1 : has_min ? most : 2;
    const __m256i ones = _mm256_set1_epi16(1);
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
        float scaled_half[V(product_tokens)];
        if (has_min && groups == 2) V(scale_half)(scaled_half, m, scale, starts, width, g);
#pragma clang loop unroll(full)
        for (int half = 0; half < 2; half++) {
            __m256i dot[V(product_tokens)];
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) {
                const V(two_registers) start = {.ints = V(start_of)(V(start)(starts, width, t, g, groups), offset)};
                dot[t] = offset != 0 ? start.half[0] : _mm256_setzero_si256(); // all lanes are alike
            }
#pragma clang loop unroll(full)
            for (int first = g * (8 / groups); first < (g + 1) * (8 / groups); first += together) {
                __m256i w[most], magnitude[most];
                for (int i = 0; i < together; i++) {
                    w[i] = _mm256_loadu_si256((const __m256i *)(values + (first + i) * 64 + half * 32));
                    magnitude[i] = is_signed ? _mm256_abs_epi8(w[i]) : w[i]; // at most 128 * 127 in a pair's product
                }
#pragma clang loop unroll(full)
                for (int t = 0; t < m; t++) {
                    __m256i pairs = _mm256_setzero_si256();
#pragma clang loop unroll(full)
                    for (int i = 0; i < together; i++) {
                        __m256i a = _mm256_set1_epi32(steps[(size_t)(first + i) * width + (size_t)t]);
                        if (is_signed) a = _mm256_sign_epi8(a, w[i]);
                        const __m256i products = _mm256_maddubs_epi16(magnitude[i], a);
                        pairs = i == 0 ? products : _mm256_add_epi16(pairs, products);
                    }
                    dot[t] = _mm256_add_epi32(dot[t], _mm256_madd_epi16(pairs, ones));
                    V(hold)(&dot[t]);
                }
            }
            const __m256 d = _mm256_loadu_ps(scales + g * 16 + half * 8);
            const __m256 minimum = has_min ? _mm256_loadu_ps(minima + g * 16 + half * 8) : d;
#pragma clang loop unroll(full)
            for (int t = 0; t < m; t++) {
                V(two_floats) rows = {.floats = sum[t]};
                __m256 row = rows.half[half];
                row = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t]), _mm256_mul_ps(d, _mm256_set1_ps(scale[t])), row);
                if (has_min)
                    row = _mm256_fmadd_ps(minimum, _mm256_set1_ps(groups == 2 ? scaled_half[t] : scaled_sum[t]), row);
                __asm__ volatile("" : "+x"(row)::"memory");
                rows.half[half] = row;
                sum[t] = rows.floats;
            }
        }
    }
}
