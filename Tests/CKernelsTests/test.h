// What the kernels' test programs share: counted checks, random numbers, buffers that end where memory ends, f16 by its
// definition, and running ops.
//
// APUS_TEST_SMALL=1 makes the test matrices smaller, =0 full; on aarch64, where an emulator is likely, small is the
// rule.
#ifndef APUS_TEST_H
#define APUS_TEST_H

#include "apus_kernels.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma STDC FP_CONTRACT OFF

/// Unit roundoff of f32.
#define U 0x1p-24

static long test_passed, test_failed;

/// Counts a check; prints the first 25 that fail.
__attribute__((format(printf, 2, 3))) static inline bool check(bool ok, const char *format, ...) {
    if (ok) {
        test_passed++;
        return true;
    }
    if (++test_failed <= 25) {
        va_list arguments;
        va_start(arguments, format);
        fputs("FAILED: ", stdout);
        vprintf(format, arguments);
        va_end(arguments);
        putchar('\n');
    }
    return false;
}

/// The closing line and the exit status of a test program. A program that checked nothing has failed.
static inline int test_finish(void) {
    printf("%ld passed, %ld failed\n", test_passed, test_failed);
    return test_failed == 0 && test_passed > 0 ? 0 : 1;
}

static inline bool test_small(void) {
    const char *text = getenv("APUS_TEST_SMALL");
    if (text != NULL) return strcmp(text, "0") != 0;
#if defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

// ---------------------------------------------------------------------------------------------------------------
// Random numbers (splitmix64)

static uint64_t random_state = 1;

static inline uint64_t random_bits(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline size_t random_below(size_t n) { return (size_t)(random_bits() % n); }

/// In [-1, 1).
static inline double random_uniform(void) { return (double)(int64_t)random_bits() * 0x1p-63; }

/// Bell-shaped, standard deviation 1.
static inline float random_normal(void) {
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += random_uniform();
    return (float)(sum / 2);
}

static inline void random_floats(float *to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = random_normal();
}

// ---------------------------------------------------------------------------------------------------------------
// Buffers

typedef struct edge_block {
    void *base;
    size_t bytes;
} edge_block;

static edge_block edge_blocks[4096];
static size_t edge_count;

/// Memory whose end touches an unreadable page, full of bytes 255 (NaN in every float format). Freed by edge_release().
/// As aligned as `bytes` is.
static inline void *edge_alloc(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    uint8_t *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || edge_count == sizeof edge_blocks / sizeof *edge_blocks ||
        mprotect(base + room, page, PROT_NONE) != 0) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    memset(base, 255, room);
    edge_blocks[edge_count++] = (edge_block){base, room + page};
    return base + room - bytes;
}

static inline float *edge_floats(size_t n) { return edge_alloc(n * sizeof(float)); }

/// Frees what was allocated after `edge_count` was `keep`.
static inline void edge_release(size_t keep) {
    while (edge_count > keep) {
        edge_count--;
        munmap(edge_blocks[edge_count].base, edge_blocks[edge_count].bytes);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Comparing

static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/// Equal bits; any NaN equals any NaN.
static inline bool same_float(float a, float b) { return bits_of(a) == bits_of(b) || (a != a && b != b); }

/// The first index at which a and b differ, or n.
static inline size_t first_difference(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!same_float(a[i], b[i])) return i;
    return n;
}

/// f16 to f64 by its definition.
static inline double half_value(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31) return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25));
}

/// f32 to f16 in integers: to nearest, ties to even; NaN becomes 0x7e00 with the sign.
static inline uint16_t half_of(float x) {
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    const int exponent = (int)(magnitude >> 23) - 127;
    if (exponent >= 16) return sign | 0x7c00;
    if (exponent < -25) return sign;
    // 24 bits of significand; the last bit that stays is worth 2^(exponent - 10), or 2^-24.
    const uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
    const int drop = exponent >= -14 ? 13 : 13 + (-14 - exponent);
    const uint32_t kept = significand >> drop, rest = significand & ((1u << drop) - 1), tie = 1u << (drop - 1);
    const uint32_t rounded = kept + (rest > tie || (rest == tie && (kept & 1)));
    // A carry out of the significand moves on to the exponent by itself.
    return sign | (uint16_t)(exponent >= -14 ? ((uint32_t)(exponent + 14) << 10) + rounded : rounded);
}

// ---------------------------------------------------------------------------------------------------------------
// Instruction sets and plans

static inline bool use_isa(int isa) {
    char error[256] = "";
    if (!apus_isa_available((apus_isa)isa)) return false;
    return check(apus_isa_select(apus_isa_name((apus_isa)isa), error, sizeof error), "%s", error);
}

/// Runs the following statement once for each available variant, portable first, with that one selected.
#define FOR_EACH_ISA(isa)                                                                                              \
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++)                                                                     \
        if (use_isa(isa))

/// Runs ops as a plan, with scratch of exactly the size that was asked for.
static inline bool run_ops(const apus_op *ops, size_t n_ops, const apus_step *step, int n_threads) {
    const size_t keep = edge_count;
    const size_t bytes = apus_plan_scratch_bytes(ops, n_ops, (size_t)step->n_tokens);
    const apus_plan plan = {ops, (uint32_t)n_ops, edge_alloc(bytes * (size_t)n_threads), bytes};
    const bool finished = apus_plan_run(&plan, step, n_threads);
    edge_release(keep);
    return finished;
}

#endif
