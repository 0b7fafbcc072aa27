// What the NEON variants share: a 64-byte vector is four registers; table lookups; f16 conversions; signed bytes.

typedef union {
    int8x16_t quarter[4];
    u8x64 bytes;
} V(four_bytes);

typedef union {
    int32x4_t quarter[4];
    i32x16 ints;
} V(four_ints);

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
    union {
        float32x4_t quarter[4];
        f32x16 floats;
    } wide;
    for (int i = 0; i < 4; i++) wide.quarter[i] = vcvt_f32_f16(narrow.quarter[i]);
    return wide.floats;
}

APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    const union {
        f32x16 floats;
        float32x4_t quarter[4];
    } wide = {.floats = x};
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
