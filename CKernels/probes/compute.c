// How many multiply-adds a second each instruction set does out of registers.
#ifndef APUS_BODY
#include "probes/probe.h"
#include "isa/isa.h"
#include "probes/compute.h"

#define APUS_QUOTE_(text) #text
#define APUS_QUOTE(text) APUS_QUOTE_(text)
/// The file of what an instruction set multiplies bytes by when that is faster than its dot4; most need none.
#define APUS_PEAK_(variant) APUS_QUOTE(peak_##variant.inl.h) // beside this file
#define APUS_PEAK(variant) APUS_PEAK_(variant)

// Operands that the compiler does not know, so that it computes nothing beforehand.
_Alignas(64) static uint8_t weights[64 * 8];
_Alignas(64) static int32_t values[16];
// Normal numbers with products that are: of others Intel's processors compute a hundredth as many.
_Alignas(64) static float float_weights[16], float_values[16];

#define APUS_BODY "probes/compute.c"
#include "isa/foreach_isa.h"

typedef struct probe {
    apus_probe_fn fn;
    size_t rounds;
    double macs[APUS_MAX_THREADS];
} probe;

static void run(int thread, int n_threads, void *context) {
    (void)n_threads;
    probe *p = context;
    p->macs[thread] = p->fn(p->rounds);
}

static double measure(apus_probe_fn fn, int threads, double seconds) {
    probe p = {.fn = fn, .rounds = 256};
    const double end = apus_probe_now() + seconds;
    double best = 0;
    const int size = apus_probe_team_size(threads);
    // At least a few samples of a length worth timing, however short the time is.
    for (int samples = 0; samples < 3 || apus_probe_now() < end;) {
        const double taken = apus_probe_time(threads, run, &p);
        double macs = 0;
        for (int i = 0; i < size; i++) macs += p.macs[i];
        if (taken < 1e-3) { // grow to a few milliseconds: shorter than a time slice
            p.rounds *= 2;
            continue;
        }
        if (macs / taken > best) best = macs / taken;
        samples++;
    }
    return best;
}

static const char *const names[APUS_PROBE_COUNT] = {"int8", "f32", "bf16"};

const char *apus_probe_name(apus_probe kind) { return (unsigned)kind < APUS_PROBE_COUNT ? names[kind] : "unknown"; }

double apus_probe_compute(apus_probe kind, apus_isa isa, int threads, double seconds) {
    static const apus_probe_fn int8_dot[APUS_ISA_COUNT] = APUS_VARIANTS(int8_dot);
    static const apus_probe_fn int8_peak[APUS_ISA_COUNT] = APUS_VARIANTS(int8_peak);
    static const apus_probe_fn f32_fma[APUS_ISA_COUNT] = APUS_VARIANTS(f32_fma);
    if ((unsigned)isa >= APUS_ISA_COUNT || !apus_isa_available(isa)) return 0;
    if (threads < 1) threads = 1;
    if (threads > APUS_MAX_THREADS) threads = APUS_MAX_THREADS;
    memset(weights, 3, sizeof weights);
    for (int i = 0; i < 16; i++) {
        values[i] = 0x01020304 + i;
        float_weights[i] = 0.5f;
        float_values[i] = 1.0f / (float)(1 + i);
    }
    // They might be anything from here on.
    __asm__ volatile("" ::"r"(weights), "r"(values), "r"(float_weights), "r"(float_values) : "memory");
    if (kind == APUS_PROBE_F32_FMA) return measure(f32_fma[isa], threads, seconds);
    if (kind == APUS_PROBE_INT8_DOT) {
        const double dot = measure(int8_dot[isa], threads, seconds / 2);
        const double peak = measure(int8_peak[isa], threads, seconds / 2);
        return peak > dot ? peak : dot;
    }
    const apus_probe_fn bf16 = kind == APUS_PROBE_BF16_DOT ? apus_probe_bf16(isa) : NULL;
    return bf16 != NULL ? measure(bf16, threads, seconds) : 0;
}
#else

// Sums that run side by side hide an instruction's latency: as many as the registers hold beside the operands.
enum {
    V(int8_sums) = V(product_tokens) >= 12 ? 12 : 3, ///< 3: six registers of AVX2, twelve of NEON
    V(f32_sums) = V(product_tokens) >= 12 ? 12 : 6,  ///< 6: twelve registers of AVX2, twenty-four of NEON
};

/// By the instruction set's dot4, the kernels' own.
static double V(int8_dot)(size_t rounds) {
    i32x16 sums[V(int8_sums)] = {0};
    int32_t factors[V(int8_sums)];
    for (int i = 0; i < V(int8_sums); i++) factors[i] = values[i];
    for (size_t r = 0; r < rounds; r++) {
#pragma clang loop unroll(full)
        for (size_t s = 0; s < 8; s++) {
            __asm__ volatile("" ::: "memory"); // the weights are read again
            const u8x64 w = V(load_bytes)(weights + 64 * s);
#pragma clang loop unroll(full)
            for (int i = 0; i < V(int8_sums); i++) sums[i] = V(dot4)(sums[i], w, factors[i]);
        }
    }
    i32x16 all = {0};
    for (int i = 0; i < V(int8_sums); i++) all += sums[i];
    const int32_t sink = __builtin_reduce_add(all);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * 8 * V(int8_sums) * 64;
}

#if __has_include(APUS_PEAK(APUS_VARIANT))
#include APUS_PEAK(APUS_VARIANT)
#else
static double V(int8_peak)(size_t rounds) { return V(int8_dot)(rounds); }
#endif

static double V(f32_fma)(size_t rounds) {
    f32x16 sums[V(f32_sums)] = {0}, factors[V(f32_sums)];
    for (int i = 0; i < V(f32_sums); i++) factors[i] = V(splat)(float_values[i]);
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" ::: "memory");
        f32x16 w;
        __builtin_memcpy(&w, float_weights, sizeof w);
#pragma clang loop unroll(full)
        for (int repeat = 0; repeat < 8; repeat++)
#pragma clang loop unroll(full)
            for (int i = 0; i < V(f32_sums); i++) sums[i] = V(fma)(w, factors[i], sums[i]);
    }
    f32x16 all = {0};
    for (int i = 0; i < V(f32_sums); i++) all += sums[i];
    const float sink = V(reduce_add)(all);
    __asm__ volatile("" ::"r"(sink));
    return (double)rounds * 8 * V(f32_sums) * 16;
}
#endif
