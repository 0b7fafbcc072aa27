// Vector helpers with one text for every instruction set: 16 lanes, spelled-out order of additions.

/// Whether BF16 weights are multiplied by dot products of bf16 pairs.
APUS_INLINE bool V(uses_bf16)(void) { return V(isa) == APUS_ISA_AVX512VNNI && apus_isa_has_bf16(); }

/// Whether products of many tokens spread some of their words by shuffles: quants/unpacked_steps.inl.h.
APUS_INLINE bool V(spreads)(void) { return V(isa) == APUS_ISA_AVX512VNNI && apus_isa_spreads(); }

APUS_INLINE f32x16 V(splat)(float x) { return x - (f32x16){0}; }
APUS_INLINE i32x16 V(splat_int)(int32_t x) { return x - (i32x16){0}; }

APUS_INLINE f32x16 V(load)(const float *p) {
    f32x16 x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
}

APUS_INLINE void V(store)(float *p, f32x16 x) { __builtin_memcpy(p, &x, sizeof x); }

/// The first n lanes, 0 in the others.
APUS_INLINE f32x16 V(load_part)(const float *p, size_t n) {
    f32x16 x = {0};
    __builtin_memcpy(&x, p, n * sizeof(float));
    return x;
}

APUS_INLINE void V(store_part)(float *p, f32x16 x, size_t n) { __builtin_memcpy(p, &x, n * sizeof(float)); }

APUS_INLINE f32x16 V(load_f16)(const void *p) {
    u16x16 x;
    __builtin_memcpy(&x, p, sizeof x);
    return V(from_f16)(x);
}

APUS_INLINE u8x64 V(load_bytes)(const uint8_t *p) {
    u8x64 x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
}

/// 16 bytes in each quarter: a table for lookup().
APUS_INLINE u8x64 V(four_times)(const void *p) {
    u8x16 x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7,
                                   8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                   0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

APUS_INLINE i32x16 V(widen_u8)(const uint8_t *p) {
    u8x16 x;
    __builtin_memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, i32x16);
}

APUS_INLINE f32x16 V(to_float)(i32x16 x) { return __builtin_convertvector(x, f32x16); }

APUS_INLINE f32x16 V(fma)(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }

/// mask ? a : b, where mask is all ones or all zeros in each lane.
APUS_INLINE f32x16 V(select)(i32x16 mask, f32x16 a, f32x16 b) {
    return (f32x16)(((i32x16)a & mask) | ((i32x16)b & ~mask));
}

/// The larger; b where a is NaN.
APUS_INLINE f32x16 V(max)(f32x16 a, f32x16 b) { return V(select)(a > b, a, b); }

/// Lanes added in halves: i with i + 8, then 4, 2, 1.
APUS_INLINE float V(reduce_add)(f32x16 x) {
    typedef float f32x8 __attribute__((vector_size(32)));
    const f32x8 a = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    const f32x4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}

/// The largest lane; integers, so that bits of non-negative floats can be compared too.
APUS_INLINE int32_t V(reduce_max_int)(i32x16 x) { return __builtin_reduce_max(x); }

APUS_INLINE f32x16 V(combine)(f32x16 a, f32x16 b, bool adds) { return adds ? a + b : V(max)(a, b); }

/// In lane i the sum of x[i]'s lanes as reduce_add() has it, or with `adds` false the largest of them without NaN.
/// Of at most 8 vectors, which are folded two at a time; n and `adds` are constants.
APUS_INLINE f32x16 V(reduce_each)(const f32x16 *x, int n, bool adds) {
    f32x16 halves[4], quarters[2];
    for (int i = 0; i < n; i += 2) {
        const f32x16 a = x[i], b = x[i + 1 < n ? i + 1 : i];
        halves[i / 2] = V(combine)(
            __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
            __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), adds);
    }
    for (int i = 0; 2 * i < n; i += 2) {
        const f32x16 a = halves[i], b = halves[2 * i + 2 < n ? i + 1 : i];
        quarters[i / 2] =
            V(combine)(__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
                       __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31), adds);
    }
    const f32x16 a = quarters[0], b = quarters[n > 4 ? 1 : 0];
    const f32x16 pairs =
        V(combine)(__builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29),
                   __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31), adds);
    return V(combine)(__builtin_shufflevector(pairs, pairs, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14),
                      __builtin_shufflevector(pairs, pairs, 1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15),
                      adds);
}

/// 2^x; relative error below 2e-7; 0 below 2^-126; infinite from 2^127.5 on. A Chebyshev fit of degree 6 on [-1/2,
/// 1/2].
APUS_INLINE f32x16 V(exp2)(f32x16 x) {
    const f32x16 magic = V(splat)(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
    const f32x16 low = V(splat)(-126.0f), high = V(splat)(128.0f);
    const f32x16 clamped = V(select)(x > high, high, V(max)(low, x)); // NaN stays NaN
    const f32x16 shifted = clamped + magic;
    const f32x16 f = clamped - (shifted - magic);
    f32x16 p = V(splat)(0.0001546144469856913f);
    p = V(fma)(p, f, V(splat)(0.0013400428177615838f));
    p = V(fma)(p, f, V(splat)(0.009618056678524637f));
    p = V(fma)(p, f, V(splat)(0.05550327226670302f));
    p = V(fma)(p, f, V(splat)(0.24022650922288757f));
    p = V(fma)(p, f, V(splat)(0.6931472067028326f));
    p = V(fma)(p, f, V(splat)(1.0f));
    const f32x16 scale = (f32x16)(((i32x16)shifted << 23) + (127 << 23)); // the last bits of `magic` are zeros
    return V(select)(x < low, (f32x16){0}, p * scale);
}

APUS_INLINE f32x16 V(exp)(f32x16 x) {
    // x log2(e) in two parts would be more exact; one product costs 1e-7 |x| relative, which the callers allow.
    return V(exp2)(x * V(splat)(1.44269504088896341f));
}

APUS_INLINE f32x16 V(silu)(f32x16 x) { return x / (V(splat)(1.0f) + V(exp)(-x)); }

/// tanh(y) = 1 - 2 / (exp(2y) + 1), so x/2 (1 + tanh(y)) = x - x / (exp(2y) + 1).
APUS_INLINE f32x16 V(gelu_tanh)(f32x16 x) {
    const f32x16 inner = V(fma)(x * x * x, V(splat)(0.044715f), x) * V(splat)(2.0f * 0.7978845608028654f);
    return x - x / (V(exp)(inner) + V(splat)(1.0f));
}
