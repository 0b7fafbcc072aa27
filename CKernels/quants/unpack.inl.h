// From packed planes and scales to vectors, per instruction set. The formats stand in quants/codes.h.

APUS_INLINE void V(unpack_2)(const uint8_t *planes, u8x64 w[8]) {
    for (int v = 0; v < 2; v++) {
        const u8x64 four = V(load_bytes)(planes + 64 * v);
        w[4 * v] = four & 3;
        w[4 * v + 1] = (four >> 2) & 3;
        w[4 * v + 2] = (four >> 4) & 3;
        w[4 * v + 3] = four >> 6;
    }
}

APUS_INLINE void V(unpack_3)(const uint8_t *planes, u8x64 w[8]) {
    V(unpack_2)(planes, w);
    const u8x64 high = V(load_bytes)(planes + 128);
    for (int s = 0; s < 2; s++) w[s] |= (high << (2 - s)) & 4;
    for (int s = 2; s < 8; s++) w[s] |= (high >> (s - 2)) & 4;
}

APUS_INLINE void V(unpack_4)(const uint8_t *planes, u8x64 w[8]) {
    for (int v = 0; v < 4; v++) {
        const u8x64 both = V(load_bytes)(planes + 64 * v);
        w[v] = both & 15;
        w[v + 4] = both >> 4;
    }
}

APUS_INLINE void V(unpack_5)(const uint8_t *planes, u8x64 w[8]) {
    V(unpack_4)(planes, w);
    const u8x64 high = V(load_bytes)(planes + 256);
    for (int s = 0; s < 4; s++) {
        w[s] |= (high << (4 - s)) & 16;
        w[s + 4] |= (high >> s) & 16;
    }
}

APUS_INLINE void V(unpack_6)(const uint8_t *planes, u8x64 w[8]) {
    V(unpack_4)(planes, w);
    for (int v = 0; v < 2; v++) {
        const u8x64 high = V(load_bytes)(planes + 256 + 64 * v);
        w[4 * v] |= (high << 4) & 48;
        w[4 * v + 1] |= (high << 2) & 48;
        w[4 * v + 2] |= high & 48;
        w[4 * v + 3] |= (high >> 2) & 48;
    }
}

APUS_INLINE void V(unpack_8)(const uint8_t *planes, u8x64 w[8]) {
    for (int s = 0; s < 8; s++) w[s] = V(recode_signed)(V(load_bytes)(planes + 64 * s));
}

/// The scales of a block of 32 columns, one or two, and the minima beside them, if the form has any.
APUS_INLINE void V(scales_APUS_SCALE_D)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    d[0] = V(load_f16)(scales + block * 32);
    (void)m;
}

APUS_INLINE void V(scales_APUS_SCALE_E8)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const u32x16 e = (u32x16)V(widen_u8)(scales + block * 16);
    const u32x16 is_small = (u32x16)(e < 2);
    d[0] = (f32x16)((((e + 1) << 21) & is_small) | (((e - 1) << 23) & ~is_small));
    (void)m;
}

APUS_INLINE void V(scales_APUS_SCALE_DM)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    d[0] = V(load_f16)(scales + block * 64);
    m[0] = V(load_f16)(scales + block * 64 + 32);
}

APUS_INLINE void V(scales_APUS_SCALE_SUPER4)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const uint8_t *record = scales + block / 8 * 320;
    for (size_t i = 0; i < 2; i++) {
        const i32x16 both = V(widen_u8)(record + 64 + (block % 8 * 2 + i) * 16);
        d[i] = V(load_f16)(record) * V(to_float)(both & 15);
        m[i] = -(V(load_f16)(record + 32) * V(to_float)(both >> 4));
    }
}

/// The 6-bit numbers 2 j and 2 j + 1 of 16 rows.
APUS_INLINE void V(six_bits)(const uint8_t *low, const uint8_t *high, size_t j, f32x16 numbers[2]) {
    const i32x16 l = V(widen_u8)(low + j * 16), h = V(widen_u8)(high + j / 2 * 16) >> (int)(j % 2 * 4);
    numbers[0] = V(to_float)((l & 15) | (h << 4 & 48));
    numbers[1] = V(to_float)(l >> 4 | (h << 2 & 48));
}

APUS_INLINE void V(scales_APUS_SCALE_SUPER6)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const uint8_t *record = scales + block / 8 * 256;
    f32x16 numbers[2];
    V(six_bits)(record + SUPER6_LOW, record + SUPER6_HIGH, block % 8, numbers);
    d[0] = V(load_f16)(record) * numbers[0];
    m[0] = -(V(load_f16)(record + 32) * numbers[1]);
}

APUS_INLINE void V(scales_APUS_SCALE_SIGNED6)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const uint8_t *record = scales + block / 8 * 128;
    const i32x16 low = V(widen_u8)(record + SIGNED6_LOW + block % 8 / 2 * 16) >> (int)(block % 2 * 4);
    const i32x16 high = V(widen_u8)(record + SIGNED6_HIGH + block % 8 / 4 * 16) >> (int)(block % 4 * 2);
    d[0] = V(load_f16)(record) * (V(to_float)((low & 15) | (high << 4 & 48)) - 32.0f);
    (void)m;
}

APUS_INLINE void V(scales_APUS_SCALE_HALVES6)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const uint8_t *record = scales + block / 8 * 224;
    V(six_bits)(record + HALVES6_LOW, record + HALVES6_HIGH, block % 8, d);
    for (size_t i = 0; i < 2; i++) d[i] = V(load_f16)(record) * (d[i] - 32.0f);
    (void)m;
}

APUS_INLINE void V(scales_APUS_SCALE_SUPER8)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 m[2]) {
    const uint8_t *record = scales + block / 8 * 288;
    const f32x16 super = V(load_f16)(record);
    for (size_t i = 0; i < 2; i++) {
        i8x16 sub;
        __builtin_memcpy(&sub, record + 32 + (block % 8 * 2 + i) * 16, sizeof sub);
        d[i] = super * V(to_float)(__builtin_convertvector(sub, i32x16));
    }
    (void)m;
}
