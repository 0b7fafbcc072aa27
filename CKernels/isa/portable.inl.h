// What differs between instruction sets, in portable C: the reference that the others are tested against.

/// acc[r] += sum over i < 4 of w[4 r + i] * a[i]; w is 0 to 127, a int8 and packed in an int.
APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) {
    for (int i = 0; i < 4; i++) {
        const int32_t value = (int8_t)((uint32_t)a >> (8 * i));
        for (int r = 0; r < 16; r++) acc[r] += (int32_t)w[4 * r + i] * value;
    }
    return acc;
}

/// Signed bytes in the form that dot4_signed wants; it takes V(signed_offset) off through the sum of the activations.
APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w; }
enum { V(signed_offset) = 0 };
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) {
    for (int i = 0; i < 4; i++) {
        const int32_t value = (int8_t)((uint32_t)a >> (8 * i));
        for (int r = 0; r < 16; r++) acc[r] += (int32_t)(int8_t)w[4 * r + i] * value;
    }
    return acc;
}

APUS_INLINE f32x16 V(from_f16)(u16x16 half) {
    const u32x16 h = __builtin_convertvector(half, u32x16);
    const u32x16 magnitude = h & 0x7fff;
    const u32x16 small = (u32x16)((f32x16)(magnitude | 0x3f000000) - 0.5f); // below 2^-14: a multiple of 2^-24
    const u32x16 normal = (magnitude << 13) + (112u << 23);
    const u32x16 special = (magnitude << 13) | 0x7f800000;
    const u32x16 is_small = (u32x16)(magnitude < 0x400), is_special = (u32x16)(magnitude >= 0x7c00);
    const u32x16 bits = (small & is_small) | (special & is_special) | (normal & ~(is_small | is_special));
    return (f32x16)(bits | ((h & 0x8000) << 16));
}

/// Round to nearest, ties to even.
APUS_INLINE u16x16 V(to_f16)(f32x16 x) {
    const u32x16 bits = (u32x16)x;
    const u32x16 magnitude = bits & 0x7fffffff;
    const u32x16 small = (u32x16)((f32x16)magnitude + 0.5f) - 0x3f000000;
    const u32x16 normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    const u32x16 is_small = (u32x16)(magnitude < 0x38800000), is_big = (u32x16)(magnitude >= 0x477ff000);
    const u32x16 is_nan = (u32x16)(magnitude > 0x7f800000);
    const u32x16 half = (small & is_small) | (normal & ~(is_small | is_big)) | (0x7c00 & is_big) | (0x200 & is_nan);
    return __builtin_convertvector(half | ((bits >> 16) & 0x8000), u16x16);
}

/// Tokens that the integer product takes at once, by what the registers hold.
enum { V(isa) = APUS_ISA_PORTABLE };
enum { V(product_tokens) = 1, V(float_tokens) = 1, V(attention_queries) = 1 };
