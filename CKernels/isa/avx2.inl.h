// What differs between instruction sets: AVX2. A 64-byte vector is two registers.

typedef union {
    __m256i half[2];
    u8x64 bytes;
    i32x16 ints;
} V(two_registers);

typedef union {
    __m256 half[2];
    f32x16 floats;
} V(two_floats);

APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    const V(two_registers) weights = {.bytes = w};
    V(two_registers) sum = {.ints = acc};
    const __m256i values = _mm256_set1_epi32(a), ones = _mm256_set1_epi16(1);
    for (int i = 0; i < 2; i++) {
        const __m256i pairs = _mm256_maddubs_epi16(weights.half[i], values); // at most 2 * 127 * 128: no saturation
        sum.half[i] = _mm256_add_epi32(sum.half[i], _mm256_madd_epi16(pairs, ones));
    }
    return sum.ints;
}

APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w; }
enum { V(signed_offset) = 0 };
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) {
    const V(two_registers) weights = {.bytes = w};
    V(two_registers) sum = {.ints = acc};
    const __m256i values = _mm256_set1_epi32(a), ones = _mm256_set1_epi16(1);
    for (int i = 0; i < 2; i++) {
        // |w| * (a with w's sign): |w| <= 128 and |a| <= 127, so a pair stays below 2^15.
        const __m256i magnitude = _mm256_abs_epi8(weights.half[i]);
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(values, weights.half[i]));
        sum.half[i] = _mm256_add_epi32(sum.half[i], _mm256_madd_epi16(pairs, ones));
    }
    return sum.ints;
}

APUS_INLINE u8x64 V(lookup)(u8x64 table, u8x64 index) {
    const V(two_registers) from = {.bytes = table};
    V(two_registers) at = {.bytes = index};
    for (int i = 0; i < 2; i++) at.half[i] = _mm256_shuffle_epi8(from.half[i], at.half[i]);
    return at.bytes;
}

APUS_INLINE f32x16 V(from_f16)(u16x16 half) {
    const __m128i low = _mm256_castsi256_si128((__m256i)half), high = _mm256_extracti128_si256((__m256i)half, 1);
    const V(two_floats) wide = {.half = {_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)}};
    return wide.floats;
}

APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    const V(two_floats) wide = {.floats = x};
    const __m128i low = _mm256_cvtps_ph(wide.half[0], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m128i high = _mm256_cvtps_ph(wide.half[1], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return (u16x16)_mm256_set_m128i(high, low);
}

// Pairs of products want an order of their own.
#define APUS_UNPACKED "quants/unpacked_avx2.inl.h"

// 16 registers: 6 tokens' integer sums of half of the rows take 6, the weights of four steps 4, the products 2; the
// running sums are loaded and stored once a block. For few tokens, whose blocks are unpacked in registers: 3 tokens'
// integer sums take 6, a weight 2, the products 4.
enum { V(isa) = APUS_ISA_AVX2 };
enum {
    V(product_tokens) = 6,
    V(direct_tokens) = 3,
    V(float_tokens) = 6,
    V(attention_queries) = 3,
    V(attention_groups) = 1,
    V(attention_few) = 1
};
