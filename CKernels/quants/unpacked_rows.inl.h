// An unpacked block of 32 columns by rows: (8, 16 rows, 4 bytes), where step s holds columns 4 s … 4 s + 3.

APUS_INLINE void V(put_values)(uint8_t *values, const u8x64 w[8]) { __builtin_memcpy(values, w, 512); }

#ifdef APUS_BY_STEPS
#include "quants/unpacked_steps.inl.h"
#endif

/// V(add_block) for a stored block.
APUS_INLINE void V(add_values)(f32x16 *sum, int m, const uint8_t *values, const float *scales, const float *minima,
                               int offset, int groups, int has_min, int is_signed, const uint8_t *acts, size_t width,
                               size_t t0) {
#ifdef APUS_BY_STEPS
    if (groups == 2) {
        V(add_steps)(sum, m, values, scales, minima, offset, 2, has_min, acts, width, t0, 0);
        return;
    }
#endif
    u8x64 w[8];
    for (size_t s = 0; s < 8; s++) w[s] = V(load_bytes)(values + s * 64);
    f32x16 d[2] = {{0}, {0}}, minimum[2] = {{0}, {0}};
    for (size_t g = 0; g < (size_t)groups; g++) {
        d[g] = V(load)(scales + g * 16);
        if (has_min) minimum[g] = V(load)(minima + g * 16);
    }
    V(add_block)(sum, m, w, d, minimum, offset, groups, has_min, is_signed, acts, width, t0);
}
