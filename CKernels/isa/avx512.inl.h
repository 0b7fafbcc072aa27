// What differs between instruction sets: AVX-512 without VNNI.

APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    const __m512i pairs = _mm512_maddubs_epi16((__m512i)w, _mm512_set1_epi32(a)); // no saturation: w <= 127
    return (i32x16)_mm512_add_epi32((__m512i)acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w; }
enum { V(signed_offset) = 0 };
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) {
    const __m512i values = _mm512_set1_epi32(a);
    const __m512i with_sign =
        _mm512_mask_sub_epi8(values, _mm512_movepi8_mask((__m512i)w), _mm512_setzero_si512(), values);
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8((__m512i)w), with_sign); // |w| <= 128, |a| <= 127
    return (i32x16)_mm512_add_epi32((__m512i)acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

APUS_INLINE u8x64 V(lookup)(u8x64 table, u8x64 index) {
    return (u8x64)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
}

APUS_INLINE f32x16 V(from_f16)(u16x16 half) { return (f32x16)_mm512_cvtph_ps((__m256i)half); }

APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    return (u16x16)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

enum { V(isa) = APUS_ISA_AVX512 };
enum {
    V(product_tokens) = 12,
    V(direct_tokens) = 8,
    V(float_tokens) = 24,
    V(attention_queries) = 8,
    V(attention_groups) = 2,
    V(attention_few) = 4
};
