// Merging pieces of the context, per instruction set.

/// total = total + part, for `values` floats (a multiple of 16): both scaled to the larger maximum.
APUS_INLINE void V(merge)(apus_partial *total, const apus_partial *part, size_t values) {
    const float max = part->max > total->max ? part->max : total->max;
    const f32x16 factors = V(exp2)((f32x16){total->max - max, part->max - max});
    const f32x16 a = V(splat)(factors[0]), b = V(splat)(factors[1]);
    float *to = apus_partial_values(total);
    const float *from = apus_partial_values((apus_partial *)part);
    for (size_t i = 0; i < values; i += 16) V(store)(to + i, V(fma)(V(load)(from + i), b, V(load)(to + i) * a));
    total->sum = __builtin_elementwise_fma(part->sum, factors[1], total->sum * factors[0]);
    total->max = max;
}
