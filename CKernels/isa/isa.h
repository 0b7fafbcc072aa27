// Target regions and the names of a variant's functions. Kernels are compiled once for each instruction set from the
// same text (isa/foreach_isa.h); what differs between instruction sets stands in isa/<name>.inl.h.
#ifndef APUS_ISA_H
#define APUS_ISA_H

#include "apus_kernels.h"

#if !defined(__clang__)
#error "Apus kernels are compiled by clang: gcc ignores '#pragma clang attribute'"
#endif

// Fused multiply-adds are spelled out, so that every variant rounds alike.
#pragma STDC FP_CONTRACT OFF

// 64-byte vectors cross only functions that are inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#if defined(__x86_64__)
#include <immintrin.h>
#define APUS_ON_X86(...) __VA_ARGS__
#define APUS_ON_ARM64(...)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define APUS_ON_X86(...)
#define APUS_ON_ARM64(...) __VA_ARGS__
#else
#define APUS_ON_X86(...)
#define APUS_ON_ARM64(...)
#endif

#define APUS_PRAGMA(text) _Pragma(#text)
#define APUS_TARGET(features) APUS_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define APUS_TARGET_END APUS_PRAGMA(clang attribute pop)

#define APUS_CONCAT_(a, b) a##_##b
#define APUS_CONCAT(a, b) APUS_CONCAT_(a, b)
/// The name of a function in the variant that is being compiled.
#define V(name) APUS_CONCAT(name, APUS_VARIANT)

/// The initializer of a table of a function's variants, indexed by apus_isa.
#define APUS_VARIANTS(name)                                                                                            \
    {[APUS_ISA_PORTABLE] = name##_portable,                                                                            \
     APUS_ON_X86([APUS_ISA_AVX2] = name##_avx2, [APUS_ISA_AVX512] = name##_avx512,                                     \
                 [APUS_ISA_AVX512VNNI] = name##_avx512vnni, )                                                          \
         APUS_ON_ARM64([APUS_ISA_NEON] = name##_neon, [APUS_ISA_NEON_DOTPROD] = name##_neon_dotprod,                   \
                       [APUS_ISA_NEON_I8MM] = name##_neon_i8mm, )}

/// The same for a function that has one variant.
#define APUS_ONE_VARIANT(name)                                                                                         \
    {                                                                                                                  \
        [APUS_ISA_PORTABLE] = name,   [APUS_ISA_AVX2] = name, [APUS_ISA_AVX512] = name,                                \
        [APUS_ISA_AVX512VNNI] = name, [APUS_ISA_NEON] = name, [APUS_ISA_NEON_DOTPROD] = name,                          \
        [APUS_ISA_NEON_I8MM] = name,                                                                                   \
    }

#define APUS_INLINE static inline __attribute__((always_inline, unused))

/// Before a loop: its code starts on a cache line, whatever stands before it in the file.
#if defined(__has_attribute) && __has_attribute(code_align)
#define APUS_ALIGNED_LOOP __attribute__((code_align(64)))
#else
#define APUS_ALIGNED_LOOP
#endif

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int16_t i16x32 __attribute__((vector_size(64)));
typedef uint8_t u8x64 __attribute__((vector_size(64)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint16_t u16x32 __attribute__((vector_size(64)));

/// Four rows of four become columns.
APUS_INLINE void apus_transpose(i32x4 x[4]) {
    const i32x4 a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5),
                b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
    const i32x4 c = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7),
                d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
    x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    x[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    x[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    x[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

/// Whether avx512vnni is to use BF16 dot products.
bool apus_isa_has_bf16(void);
/// Whether it is to spread words: see apus_isa_use_spreading().
bool apus_isa_spreads(void);
/// Whether it is to multiply four tiles by a word: see apus_isa_use_sharing().
bool apus_isa_shares(void);
/// How far ahead of its reads a product fetches memory: a block takes so many instructions that the processor runs
/// through too little memory to see far ahead by itself, and some processors' own prefetching loses its way in the
/// order of a block's reads. (One token out of memory, one Zen 5 core that reads 47 GB/s: Q4_0 36 GB/s without and 42
/// with it, Q4_K 22 to 30 and 39, Q6_K 18 and 40; 4 KB and 8 KB ahead are 3 to 10 % slower, fetching into the second
/// level only as well; one that reads 39 GB/s: F16 31 and 33, BF16 36 and 38. Eight tokens of Q4_0, one Zen 4 core:
/// 9 GB/s without, 12 with 4 KB. Prompts of SmolLM2 in F16 in steps of 8 tokens, two Zen 5 cores: 722 and 952 a
/// second.)
#define APUS_AHEAD_BYTES 6144
/// Whether one token's products gain by it. The same decode in turns, on two cores: with it Zen 4 has 14 % less of
/// Q8_0, 12 % of Q4_1, 8 % of Q4_0. (Family 19h has Zen 3 and 4; the older tables of processors do not tell them
/// apart.)
static inline bool apus_isa_fetches_ahead(void) {
#if defined(__x86_64__)
    return !__builtin_cpu_is("amdfam19h");
#else
    return true;
#endif
}

#endif
