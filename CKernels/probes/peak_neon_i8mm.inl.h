// Products of bytes by smmla: 2 rows of 8 by 2 tokens of 8 in an instruction.

static double V(int8_peak)(size_t rounds) {
    enum { TILES = 16 };
    int32x4_t sums[TILES];
    int8x16_t factors[4];
    for (int i = 0; i < TILES; i++) sums[i] = vdupq_n_s32(0);
    for (int i = 0; i < 4; i++) factors[i] = vreinterpretq_s8_s32(vdupq_n_s32(values[i]));
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory");
        int8x16_t w[4];
        for (int i = 0; i < 4; i++) w[i] = vreinterpretq_s8_u8(vld1q_u8(weights + 16 * i));
#pragma clang loop unroll(full)
        for (int i = 0; i < TILES; i++) sums[i] = vmmlaq_s32(sums[i], w[i / 4], factors[i % 4]);
    }
    for (int i = 1; i < TILES; i++) sums[0] = vaddq_s32(sums[0], sums[i]);
    const int32_t sink = vaddvq_s32(sums[0]);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * TILES * 32;
}
