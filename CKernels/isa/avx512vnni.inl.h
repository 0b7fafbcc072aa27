// What differs between instruction sets: AVX-512 with VNNI.

APUS_INLINE i32x16 V(dot4_each)(i32x16 acc, u8x64 w, i32x16 a) {
    return (i32x16)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, (__m512i)a);
}

APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    return V(dot4_each)(acc, w, (i32x16)_mm512_set1_epi32(a));
}

// vpdpbusd's weights are unsigned: signed ones get 128 added.
APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w ^ 0x80; }
enum { V(signed_offset) = 128 };
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) { return V(dot4)(acc, w, a); }

APUS_INLINE u8x64 V(lookup)(u8x64 table, u8x64 index) {
    return (u8x64)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
}

APUS_INLINE f32x16 V(from_f16)(u16x16 half) { return (f32x16)_mm512_cvtph_ps((__m256i)half); }

APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    return (u16x16)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#define APUS_BY_STEPS // quants/unpacked_steps.inl.h

// 12 integer and 12 running sums leave 8 registers for a weight, its scales and temporaries.
enum { V(isa) = APUS_ISA_AVX512VNNI };
enum {
    V(product_tokens) = 12,
    V(direct_tokens) = 8,
    V(float_tokens) = 24,
    V(attention_queries) = 8,
    V(attention_groups) = 2,
    V(attention_few) = 4
};
