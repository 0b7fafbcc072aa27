// What differs between instruction sets, in portable C: the reference that the others are tested against.

/// acc[r] += sum over i < 4 of w[4 r + i] * a[i]; w is -128 to 127, a -127 to 127 and packed in an int.
///
/// Two products fit 16 bits, which every vector unit multiplies: even bytes and odd bytes of a pair, added.
APUS_INLINE i32x16 V(dot4_signed)(i32x16 acc, u8x64 w, int32_t a) {
    const i32x16 values = a - (i32x16){0};
    const i16x32 pairs = (i16x32)w, factors = (i16x32)values;
    const i16x32 even = (pairs << 8 >> 8) * (factors << 8 >> 8), odd = (pairs >> 8) * (factors >> 8);
    const i32x16 sums = (i32x16)(even + odd);
    return acc + (sums << 16 >> 16) + (sums >> 16);
}

/// The same for w of 0 to 127, and signed bytes in the form that dot4_signed wants, which takes V(signed_offset) off
/// through the sum of the activations.
APUS_INLINE i32x16 V(dot4)(i32x16 acc, u8x64 w, int32_t a) { return V(dot4_signed)(acc, w, a); }
APUS_INLINE u8x64 V(recode_signed)(u8x64 w) { return w; }
enum { V(signed_offset) = 0 };

/// table[index] of each byte: a table of 16 bytes that stands in each quarter, and indices below 16.
APUS_INLINE u8x64 V(lookup)(u8x64 table, u8x64 index) {
    uint8_t bytes[64], from[64];
    __builtin_memcpy(from, &table, sizeof from);
    __builtin_memcpy(bytes, &index, sizeof bytes);
    for (int i = 0; i < 64; i++) bytes[i] = from[bytes[i]];
    __builtin_memcpy(&index, bytes, sizeof bytes);
    return index;
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

/// By what the registers hold: tokens that products take at once; attention's queries, how many times 16 positions, and
/// the most queries that leave room for twice as many positions and 64 columns of values.
enum { V(isa) = APUS_ISA_PORTABLE };
enum {
    V(product_tokens) = 1,
    V(direct_tokens) = 1,
    V(float_tokens) = 1,
    V(attention_queries) = 1,
    V(attention_groups) = 1,
    V(attention_few) = 0
};
