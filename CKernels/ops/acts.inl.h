// Packing activations, per instruction set: the last part of every op whose output a matrix product reads.

/// Quantizes 32 values and stores them as block `block` of a token: q = round(x * 127 / max |x|), ties to even.
/// Leaves in `rest` what is missing: x - q * scale.
APUS_INLINE void V(put_block_q8)(void *acts, apus_act_place place, size_t block, const float *x, float *rest) {
    const f32x16 a = V(load)(x), b = V(load)(x + 16);
    // Bits of |x| compare as integers; a NaN is larger than everything and so becomes the scale.
    const i32x16 abs_a = (i32x16)a & 0x7fffffff, abs_b = (i32x16)b & 0x7fffffff;
    const i32x16 larger = (abs_a & (abs_a > abs_b)) | (abs_b & ~(abs_a > abs_b));
    const int32_t bits = V(reduce_max_int)(larger);
    float largest;
    __builtin_memcpy(&largest, &bits, sizeof largest);
    const float scale = largest / 127.0f;
    // Below 1e-35 the quotient could overflow: such a block counts as zeros. So does one with a NaN or infinity, whose
    // scale then carries it on.
    const float inverse = largest > 1e-35f && largest < __builtin_inff() ? 127.0f / largest : 0.0f;
    // Adding 1.5 * 2^23 rounds to an integer, which stands in the low bits.
    const f32x16 magic = V(splat)(12582912.0f), factor = V(splat)(inverse);
    const i32x16 used = V(splat_int)(inverse != 0.0f ? -1 : 0); // a NaN times 0 is no integer
    const i32x16 qa = ((i32x16)(a * factor + magic) - (i32x16)magic) & used;
    const i32x16 qb = ((i32x16)(b * factor + magic) - (i32x16)magic) & used;
    const size_t width = place.width, lane = place.lane;
    uint8_t *record = (uint8_t *)acts + place.tile_offset + block * APUS_Q8_RECORD * width;
    const i8x16 low = __builtin_convertvector(qa, i8x16), high = __builtin_convertvector(qb, i8x16);
    int32_t steps[8];
    __builtin_memcpy(steps, &low, 16);
    __builtin_memcpy(steps + 4, &high, 16);
    for (size_t s = 0; s < 8; s++) ((int32_t *)record)[s * width + lane] = steps[s];
    const int32_t sum_a = __builtin_reduce_add(qa), sum_b = __builtin_reduce_add(qb);
    ((float *)record)[8 * width + lane] = scale;
    ((float *)record)[9 * width + lane] = scale * (float)(sum_a + sum_b);
    ((int32_t *)record)[10 * width + lane] = -APUS_START_OFFSET * (sum_a + sum_b);
    ((int32_t *)record)[11 * width + lane] = -APUS_START_OFFSET * sum_a;
    V(store)(rest, V(fma)(V(to_float)(qa), V(splat)(-scale), a));
    V(store)(rest + 16, V(fma)(V(to_float)(qb), V(splat)(-scale), b));
}

APUS_INLINE void V(put_f32)(void *acts, apus_act_place place, size_t col, const float *x, size_t n) {
    float *to = (float *)((uint8_t *)acts + place.tile_offset) + col * place.width + place.lane;
    for (size_t i = 0; i < n; i++) to[i * place.width] = x[i];
}

/// Rounds to the nearest bf16, ties to even; 0 below 2^-49.
APUS_INLINE u32x16 V(round_bf16)(f32x16 x) {
    const u32x16 bits = (u32x16)x, rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    const u32x16 is_nan = (u32x16)((bits & 0x7fffffff) > 0x7f800000);
    const u32x16 is_small = (u32x16)((rounded & 0x7fffffff) < (127 - 49) << 23);
    return (rounded & ~is_small & ~is_nan) | (0x7fc00000 & is_nan);
}

/// col is even; a column past an odd n becomes 0.
APUS_INLINE void V(put_bf16)(void *acts, apus_act_place place, size_t col, const float *x, size_t n) {
    float whole[APUS_ACT_BLOCK] = {0};
    __builtin_memcpy(whole, x, n * sizeof(float));
    const u32x16 low = V(round_bf16)(V(load)(whole)), high = V(round_bf16)(V(load)(whole + 16));
    const size_t even = (n + 1) / 2 * 2;
    if (V(uses_bf16)()) {
        const u16x16 low_half = __builtin_convertvector(low >> 16, u16x16);
        const u16x16 high_half = __builtin_convertvector(high >> 16, u16x16);
        __builtin_memcpy(whole, &low_half, sizeof low_half);
        __builtin_memcpy(whole + 8, &high_half, sizeof high_half);
        place.tile_offset /= 2; // a pair takes the place of an f32
        V(put_f32)(acts, place, col / 2, whole, even / 2);
    } else {
        V(store)(whole, (f32x16)low);
        V(store)(whole + 16, (f32x16)high);
        V(put_f32)(acts, place, col, whole, even);
    }
}

/// Stores columns [col, col + n) of a token in the forms that are wanted; col is a multiple of 32, n at most 32.
APUS_INLINE void V(put_acts)(const apus_acts *out, size_t cols, size_t tokens, size_t token, size_t col, const float *x,
                             size_t n) {
    if (out->q8 != NULL) {
        const apus_act_place place = apus_act_place_of(APUS_ACT_Q8, cols, token, tokens);
        float rest[APUS_ACT_BLOCK];
        V(put_block_q8)(out->q8, place, col / APUS_ACT_BLOCK, x, rest);
        if (out->q8_rest != NULL) V(put_block_q8)(out->q8_rest, place, col / APUS_ACT_BLOCK, rest, rest);
    }
    if (out->bf16 != NULL) V(put_bf16)(out->bf16, apus_act_place_of(APUS_ACT_BF16, cols, token, tokens), col, x, n);
    if (out->f32 != NULL) V(put_f32)(out->f32, apus_act_place_of(APUS_ACT_F32, cols, token, tokens), col, x, n);
}
