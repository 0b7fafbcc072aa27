// What the NEON variants share: a 64-byte vector is four registers; table lookups; f16 conversions; signed bytes.

typedef union {
    int8x16_t quarter[4];
    u8x64 bytes;
} V(four_bytes);

typedef union {
    int32x4_t quarter[4];
    i32x16 ints;
} V(four_ints);

typedef union {
    float32x4_t quarter[4];
    f32x16 floats;
} V(four_floats);

APUS_INLINE u8x64 V(lookup)(u8x64 table, u8x64 index) {
    const V(four_bytes) from = {.bytes = table};
    V(four_bytes) at = {.bytes = index};
    for (int i = 0; i < 4; i++) at.quarter[i] = vqtbl1q_s8(from.quarter[i], vreinterpretq_u8_s8(at.quarter[i]));
    return at.bytes;
}

APUS_INLINE f32x16 V(from_f16)(u16x16 half) {
    const union {
        u16x16 halves;
        float16x4_t quarter[4];
    } narrow = {.halves = half};
    V(four_floats) wide;
    for (int i = 0; i < 4; i++) wide.quarter[i] = vcvt_f32_f16(narrow.quarter[i]);
    return wide.floats;
}

APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    const V(four_floats) wide = {.floats = x};
    union {
        float16x4_t quarter[4];
        u16x16 halves;
    } narrow;
    for (int i = 0; i < 4; i++) narrow.quarter[i] = vcvt_f16_f32(wide.quarter[i]); // to nearest, ties to even
    return narrow.halves;
}

// Codes, at most 127, are signed bytes too: one dot4 does both.
APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a);
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) { return V(dot4)(acc, w, a); }
APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w; }
enum { V(signed_offset) = 0 };

/// A step's bytes of m <= 4 tokens, 0 in the other lanes.
APUS_INLINE int32x4_t V(load_tokens)(const int32_t *step, int m) {
    int32x4_t tokens = vdupq_n_s32(0);
    __builtin_memcpy(&tokens, step, (size_t)m * sizeof *step);
    return tokens;
}

/// What comes above is done above, with these eight registers: the compiler would mix a block's loads and products
/// until there are more of them than registers.
APUS_INLINE void V(keep_order)(int32x4_t *at) {
    __asm__ volatile(""
                     : "+w"(at[0]), "+w"(at[1]), "+w"(at[2]), "+w"(at[3]), "+w"(at[4]), "+w"(at[5]), "+w"(at[6]),
                       "+w"(at[7])
                     :
                     : "memory");
}
