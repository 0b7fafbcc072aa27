// Products of codes of 4 bits, AVX2: pairs are added in 16 bits over the eight steps of a block (8 * 2 * 15 * 127 is
// below 2^15), and widened once.

static double V(int8_peak)(size_t rounds) {
    enum { TOKENS = 3 }; // six registers of pairs, three of activations
    __m256i sums[TOKENS][2] = {0}, factors[TOKENS];
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < TOKENS; i++) factors[i] = _mm256_set1_epi32(values[i]);
    for (size_t r = 0; r < rounds; r++) {
        __m256i pairs[TOKENS][2] = {0};
#pragma clang loop unroll(full)
        for (size_t s = 0; s < 8; s++) {
            __asm__ volatile("" ::: "memory");
            __m256i w[2];
            __builtin_memcpy(w, weights + 64 * s, sizeof w);
#pragma clang loop unroll(full)
            for (int i = 0; i < TOKENS; i++)
                for (int half = 0; half < 2; half++)
                    pairs[i][half] = _mm256_add_epi16(pairs[i][half], _mm256_maddubs_epi16(w[half], factors[i]));
        }
        for (int i = 0; i < TOKENS; i++)
            for (int half = 0; half < 2; half++)
                sums[i][half] = _mm256_add_epi32(sums[i][half], _mm256_madd_epi16(pairs[i][half], ones));
    }
    __m256i all = sums[0][0];
    for (int i = 0; i < TOKENS; i++) all = _mm256_add_epi32(all, _mm256_add_epi32(sums[i][0], sums[i][1]));
    const int sink = _mm256_extract_epi32(all, 0);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * 8 * TOKENS * 64;
}
