// Products of codes of 4 bits, AVX-512 without VNNI: as for AVX2, pairs are added in 16 bits and widened once a block.

static double V(int8_peak)(size_t rounds) {
    enum { TOKENS = 9 }; // 9 registers of pairs, of sums, of activations
    __m512i sums[TOKENS] = {0}, factors[TOKENS];
    const __m512i ones = _mm512_set1_epi16(1);
    for (int i = 0; i < TOKENS; i++) factors[i] = _mm512_set1_epi32(values[i]);
    for (size_t r = 0; r < rounds; r++) {
        __m512i pairs[TOKENS] = {0};
#pragma clang loop unroll(full)
        for (size_t s = 0; s < 8; s++) {
            __asm__ volatile("" ::: "memory");
            const __m512i w = _mm512_loadu_si512(weights + 64 * s);
#pragma clang loop unroll(full)
            for (int i = 0; i < TOKENS; i++) pairs[i] = _mm512_add_epi16(pairs[i], _mm512_maddubs_epi16(w, factors[i]));
        }
        for (int i = 0; i < TOKENS; i++) sums[i] = _mm512_add_epi32(sums[i], _mm512_madd_epi16(pairs[i], ones));
    }
    __m512i all = sums[0];
    for (int i = 1; i < TOKENS; i++) all = _mm512_add_epi32(all, sums[i]);
    const int sink = _mm512_reduce_add_epi32(all);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * 8 * TOKENS * 64;
}
