// Packing activations, per instruction set: the last part of every op whose output a matrix product reads.

// Tokens go four at a time where there are so many, from a multiple of four on: they are neighbours in a packed tile,
// so that a vector takes their numbers there, and what is added or compared across a block is so for all four at once.
// `count` is a constant, 1 or 4; x is (count, 32).
_Static_assert(APUS_TILE_TOKENS % 4 == 0, "four tokens are of one tile");

/// A quarter of the lanes of x.
#define APUS_QUARTER(x, i) __builtin_shufflevector(x, x, 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3)

/// Lane t: the largest lane of x[t].
APUS_INLINE i32x4 V(largest_of)(const i32x16 *x, int count) {
    if (count == 1) return (i32x4){V(reduce_max_int)(x[0])};
    i32x4 part[4];
    for (int t = 0; t < 4; t++)
        part[t] = __builtin_elementwise_max(__builtin_elementwise_max(APUS_QUARTER(x[t], 0), APUS_QUARTER(x[t], 1)),
                                            __builtin_elementwise_max(APUS_QUARTER(x[t], 2), APUS_QUARTER(x[t], 3)));
    apus_transpose(part);
    return __builtin_elementwise_max(__builtin_elementwise_max(part[0], part[1]),
                                     __builtin_elementwise_max(part[2], part[3]));
}

/// Lane t: the sum of the lanes of x[t].
APUS_INLINE i32x4 V(sums_of)(const i32x16 *x, int count) {
    if (count == 1) return (i32x4){__builtin_reduce_add(x[0])};
    i32x4 part[4];
    for (int t = 0; t < 4; t++)
        part[t] = APUS_QUARTER(x[t], 0) + APUS_QUARTER(x[t], 1) + APUS_QUARTER(x[t], 2) + APUS_QUARTER(x[t], 3);
    apus_transpose(part);
    return part[0] + part[1] + part[2] + part[3];
}

/// Stores x[t][i] at to[i * width + t], i = 0 … 3.
APUS_INLINE void V(put_words)(void *to, size_t width, i32x4 x[4], int count) {
    if (count == 4) apus_transpose(x);
    for (size_t i = 0; i < 4; i++) {
        if (count == 4)
            __builtin_memcpy((int32_t *)to + i * width, &x[i], 16);
        else
            ((int32_t *)to)[i * width] = x[0][i];
    }
}

/// Quantizes 32 values of each token and stores them as their block `block`: q = round(x * 127 / max |x|), ties to
/// even. Leaves in `rest` what is missing: x - q * scale.
APUS_INLINE void V(put_block_q8)(void *acts, apus_act_place place, size_t block, const float *x, int count,
                                 float *rest) {
    f32x16 a[4], b[4];
    i32x16 larger[4], qa[4], qb[4];
    for (int t = 0; t < count; t++) {
        a[t] = V(load)(x + t * APUS_ACT_BLOCK);
        b[t] = V(load)(x + t * APUS_ACT_BLOCK + 16);
        // Bits of |x| compare as integers; a NaN is larger than everything and so becomes the scale.
        larger[t] = __builtin_elementwise_max((i32x16)a[t] & 0x7fffffff, (i32x16)b[t] & 0x7fffffff);
    }
    const f32x4 largest = (f32x4)V(largest_of)(larger, count), scale = largest / 127.0f;
    // Below 1e-35 the quotient could overflow: such a block counts as zeros. So does one with a NaN or infinity, whose
    // scale then carries it on.
    const i32x4 used = (largest > 1e-35f) & (largest < __builtin_inff());
    const f32x4 inverse = (f32x4)((i32x4)(127.0f / largest) & used);
    i32x4 low[4], high[4];
    for (int t = 0; t < count; t++) {
        // Adding 1.5 * 2^23 rounds to an integer, which stands in the low bits.
        const f32x16 magic = V(splat)(12582912.0f), factor = V(splat)(inverse[t]);
        const i32x16 mask = V(splat_int)(used[t]); // a NaN times 0 is no integer
        qa[t] = ((i32x16)(a[t] * factor + magic) - (i32x16)magic) & mask;
        qb[t] = ((i32x16)(b[t] * factor + magic) - (i32x16)magic) & mask;
        low[t] = (i32x4) __builtin_convertvector(qa[t], i8x16);
        high[t] = (i32x4) __builtin_convertvector(qb[t], i8x16);
    }
    const i32x4 sum_a = V(sums_of)(qa, count), sum = sum_a + V(sums_of)(qb, count);
    const size_t width = place.width, size = (size_t)count * sizeof(float);
    int32_t *record = (int32_t *)((uint8_t *)acts + place.tile_offset + block * APUS_Q8_RECORD * width) + place.lane;
    V(put_words)(record, width, low, count);
    V(put_words)(record + 4 * width, width, high, count);
    const f32x4 scaled_sum = scale * __builtin_convertvector(sum, f32x4);
    const i32x4 start = -APUS_START_OFFSET * sum, first_start = -APUS_START_OFFSET * sum_a;
    __builtin_memcpy(record + 8 * width, &scale, size);
    __builtin_memcpy(record + 9 * width, &scaled_sum, size);
    __builtin_memcpy(record + 10 * width, &start, size);
    __builtin_memcpy(record + 11 * width, &first_start, size);
    if (rest == NULL) return;
    for (int t = 0; t < count; t++) {
        const f32x16 minus_scale = V(splat)(-scale[t]);
        V(store)(rest + t * APUS_ACT_BLOCK, V(fma)(V(to_float)(qa[t]), minus_scale, a[t]));
        V(store)(rest + t * APUS_ACT_BLOCK + 16, V(fma)(V(to_float)(qb[t]), minus_scale, b[t]));
    }
}

/// n columns of each token.
APUS_INLINE void V(put_f32)(void *acts, apus_act_place place, size_t col, const float *x, int count, size_t n) {
    float *to = (float *)((uint8_t *)acts + place.tile_offset) + col * place.width + place.lane;
    size_t i = 0;
    for (; i + 4 <= n; i += 4, to += 4 * place.width) {
        i32x4 words[4];
        for (int t = 0; t < count; t++) __builtin_memcpy(&words[t], x + (size_t)t * APUS_ACT_BLOCK + i, 16);
        V(put_words)(to, place.width, words, count);
    }
    for (; i < n; i++, to += place.width)
        for (int t = 0; t < count; t++) to[t] = x[(size_t)t * APUS_ACT_BLOCK + i];
}

/// Rounds to the nearest bf16, ties to even; 0 below 2^-49.
APUS_INLINE u32x16 V(round_bf16)(f32x16 x) {
    const u32x16 bits = (u32x16)x, rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    const u32x16 is_nan = (u32x16)((bits & 0x7fffffff) > 0x7f800000);
    const u32x16 is_small = (u32x16)((rounded & 0x7fffffff) < (127 - 49) << 23);
    return (rounded & ~is_small & ~is_nan) | (0x7fc00000 & is_nan);
}

/// n columns of each token; col is even, a column past an odd n becomes 0.
APUS_INLINE void V(put_bf16)(void *acts, apus_act_place place, size_t col, const float *x, int count, size_t n) {
    float whole[4 * APUS_ACT_BLOCK];
    const size_t even = (n + 1) / 2 * 2;
    for (int t = 0; t < count; t++) {
        float *one = whole + t * APUS_ACT_BLOCK;
        __builtin_memset(one, 0, APUS_ACT_BLOCK * sizeof(float));
        __builtin_memcpy(one, x + t * APUS_ACT_BLOCK, n * sizeof(float));
        const u32x16 low = V(round_bf16)(V(load)(one)), high = V(round_bf16)(V(load)(one + 16));
        if (V(uses_bf16)()) {
            const u16x16 low_half = __builtin_convertvector(low >> 16, u16x16);
            const u16x16 high_half = __builtin_convertvector(high >> 16, u16x16);
            __builtin_memcpy(one, &low_half, sizeof low_half);
            __builtin_memcpy(one + 8, &high_half, sizeof high_half);
        } else {
            V(store)(one, (f32x16)low);
            V(store)(one + 16, (f32x16)high);
        }
    }
    if (V(uses_bf16)()) {
        place.tile_offset /= 2; // a pair takes the place of an f32
        V(put_f32)(acts, place, col / 2, whole, count, even / 2);
    } else {
        V(put_f32)(acts, place, col, whole, count, even);
    }
}

/// Stores columns [col, col + n) of the tokens from `token` on in the forms that are wanted; col is a multiple of 32, n
/// at most 32.
APUS_INLINE void V(put_acts)(const apus_acts *out, size_t cols, size_t tokens, size_t token, int count, size_t col,
                             const float *x, size_t n) {
    if (out->q8 != NULL) {
        const apus_act_place place = apus_act_place_of(APUS_ACT_Q8, cols, token, tokens);
        if (out->q8_rest != NULL) {
            float rest[4 * APUS_ACT_BLOCK];
            V(put_block_q8)(out->q8, place, col / APUS_ACT_BLOCK, x, count, rest);
            V(put_block_q8)(out->q8_rest, place, col / APUS_ACT_BLOCK, rest, count, NULL);
        } else {
            V(put_block_q8)(out->q8, place, col / APUS_ACT_BLOCK, x, count, NULL);
        }
    }
    if (out->bf16 != NULL)
        V(put_bf16)(out->bf16, apus_act_place_of(APUS_ACT_BF16, cols, token, tokens), col, x, count, n);
    if (out->f32 != NULL) V(put_f32)(out->f32, apus_act_place_of(APUS_ACT_F32, cols, token, tokens), col, x, count, n);
}
