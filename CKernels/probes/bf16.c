// Dot products of bf16: what the processors have that no variant uses yet.
#include "probes/compute.h"
#include "isa/isa.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
_Alignas(64) static uint16_t operands[32] = {0x3f80};

APUS_TARGET("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
static double bf16_dot(size_t rounds) {
    enum { SUMS = 12 };
    __m512 sums[SUMS];
    __m512i factors[SUMS];
    for (int i = 0; i < SUMS; i++) {
        sums[i] = _mm512_setzero_ps();
        factors[i] = _mm512_set1_epi16((short)(0x3f00 + i));
    }
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::"r"(operands) : "memory");
        const __m512bh w = (__m512bh)_mm512_load_si512(operands);
#pragma clang loop unroll(full)
        for (int repeat = 0; repeat < 8; repeat++)
#pragma clang loop unroll(full)
            for (int i = 0; i < SUMS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], w, (__m512bh)factors[i]);
    }
    for (int i = 1; i < SUMS; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    const float sink = _mm512_cvtss_f32(sums[0]);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * 8 * SUMS * 32;
}
APUS_TARGET_END

apus_probe_fn apus_probe_bf16(apus_isa isa) {
    return isa == APUS_ISA_AVX512VNNI && __builtin_cpu_supports("avx512bf16") ? bf16_dot : NULL;
}

#elif defined(__aarch64__)

APUS_TARGET("bf16")
static double bf16_dot(size_t rounds) {
    enum { SUMS = 16 };
    static uint16_t operands[8] = {0x3f80};
    float32x4_t sums[SUMS];
    bfloat16x8_t factors[4];
    for (int i = 0; i < SUMS; i++) sums[i] = vdupq_n_f32(0);
    for (int i = 0; i < 4; i++) factors[i] = vreinterpretq_bf16_u16(vdupq_n_u16((uint16_t)(0x3f00 + i)));
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::"r"(operands) : "memory");
        const bfloat16x8_t w = vreinterpretq_bf16_u16(vld1q_u16(operands));
#pragma clang loop unroll(full)
        for (int i = 0; i < SUMS; i++) sums[i] = vbfmmlaq_f32(sums[i], w, factors[i % 4]);
    }
    for (int i = 1; i < SUMS; i++) sums[0] = vaddq_f32(sums[0], sums[i]);
    const float sink = vaddvq_f32(sums[0]);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * SUMS * 16;
}
APUS_TARGET_END

static bool has_bf16(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP2) & (1ul << 14)) != 0; // HWCAP2_BF16
#else
    return false;
#endif
}

apus_probe_fn apus_probe_bf16(apus_isa isa) { return isa == APUS_ISA_NEON_I8MM && has_bf16() ? bf16_dot : NULL; }

#else

apus_probe_fn apus_probe_bf16(apus_isa isa) {
    (void)isa;
    return NULL;
}

#endif
