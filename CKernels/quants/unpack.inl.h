// From packed planes and scales to vectors, per instruction set. The formats stand in quants/codes.h.

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

/// The scales of a block of 32 columns: one (or two) and the minimum, if the form has one.
APUS_INLINE void V(scales_APUS_SCALE_D)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 *m) {
    d[0] = V(load_f16)(scales + block * 32);
    (void)m;
}

APUS_INLINE void V(scales_APUS_SCALE_DM)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 *m) {
    d[0] = V(load_f16)(scales + block * 64);
    *m = V(load_f16)(scales + block * 64 + 32);
}

APUS_INLINE f32x16 V(six_bits)(const uint8_t *low, const uint8_t *high, size_t j) {
    const i32x16 l = (V(widen_u8)(low + j / 2 * 16) >> (int)(j % 2 * 4)) & 15;
    const i32x16 h = (V(widen_u8)(high + j / 4 * 16) >> (int)(j % 4 * 2)) & 3;
    return V(to_float)(l | h << 4);
}

APUS_INLINE void V(scales_APUS_SCALE_SUPER6)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 *m) {
    const uint8_t *record = scales + block / 8 * 256;
    const size_t j = block % 8;
    d[0] = V(load_f16)(record) * V(six_bits)(record + SUPER6_SCALE_LOW, record + SUPER6_SCALE_HIGH, j);
    *m = -(V(load_f16)(record + 32) * V(six_bits)(record + SUPER6_MIN_LOW, record + SUPER6_MIN_HIGH, j));
}

APUS_INLINE void V(scales_APUS_SCALE_SUPER8)(const uint8_t *scales, size_t block, f32x16 d[2], f32x16 *m) {
    const uint8_t *record = scales + block / 8 * 288;
    const f32x16 super = V(load_f16)(record);
    for (size_t i = 0; i < 2; i++) {
        i8x16 sub;
        __builtin_memcpy(&sub, record + 32 + (block % 8 * 2 + i) * 16, sizeof sub);
        d[i] = super * V(to_float)(__builtin_convertvector(sub, i32x16));
    }
    (void)m;
}
