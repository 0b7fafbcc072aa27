// Packed activations, read by their description in core/op.h and not by its code.
#ifndef APUS_TEST_ACTS_H
#define APUS_TEST_ACTS_H

#include "test.h"

/// Where column `col` of token `token` stands: tiles of 12 tokens, the last one narrower, each (cols, width).
static inline float packed_f32(const void *acts, size_t tokens, size_t cols, size_t token, size_t col) {
    const size_t first = token / 12 * 12, width = tokens - first < 12 ? tokens - first : 12;
    return ((const float *)acts)[first * cols + col * width + (token - first)];
}

/// f32 to bf16 and back by definition: the nearer of the two neighbours, on a tie the even one; NaN stays NaN. Without
/// the flush of small values.
static inline float bf16_of(float x) {
    const uint32_t below = bits_of(x) & 0xffff0000, above = below + 0x10000;
    if (x != x || below == bits_of(x)) return x;
    // Beyond the largest bf16 the next neighbour would be 2^128.
    const double up = isinf(float_of(above)) ? copysign(0x1p128, (double)x) : (double)float_of(above);
    const double to_below = fabs((double)x - (double)float_of(below)), to_above = fabs(up - (double)x);
    const bool even = (below >> 16 & 1) == 0;
    return float_of(to_below < to_above || (to_below == to_above && even) ? below : above);
}

/// Packed as f32 of an even number of columns; with BF16 dot products (cols / 2, width, 2) bf16.
static inline float packed_bf16(const void *acts, size_t tokens, size_t cols, size_t token, size_t col) {
    if (apus_isa_active() != APUS_ISA_AVX512VNNI || !apus_isa_use_bf16(true))
        return packed_f32(acts, tokens, (cols + 1) / 2 * 2, token, col);
    const size_t first = token / 12 * 12, width = tokens - first < 12 ? tokens - first : 12, pairs = (cols + 1) / 2;
    const uint16_t *tile = (const uint16_t *)acts + first * pairs * 2;
    return float_of((uint32_t)tile[(col / 2 * width + (token - first)) * 2 + col % 2] << 16);
}

/// The activations of an op in one form.
static inline apus_acts acts_of(apus_act_format format, void *acts) {
    return (apus_acts){.q8 = format == APUS_ACT_Q8 ? acts : NULL,
                       .f32 = format == APUS_ACT_F32 ? acts : NULL,
                       .bf16 = format == APUS_ACT_BF16 ? acts : NULL};
}

/// One block of 32 of a token's int8 activations.
typedef struct packed_block {
    int8_t q[32];
    float scale, scaled_sum;
    int32_t starts[2]; ///< -32 * the sum of q, and of its first half
} packed_block;

static inline packed_block packed_q8(const void *acts, size_t tokens, size_t cols, size_t token, size_t block) {
    const size_t first = token / 12 * 12, width = tokens - first < 12 ? tokens - first : 12, lane = token - first;
    const uint8_t *record = (const uint8_t *)acts + first * (cols / 32) * 48 + block * 48 * width;
    packed_block b;
    for (size_t s = 0; s < 8; s++) memcpy(b.q + 4 * s, record + (s * width + lane) * 4, 4);
    memcpy(&b.scale, record + (8 * width + lane) * 4, 4);
    memcpy(&b.scaled_sum, record + (9 * width + lane) * 4, 4);
    for (size_t g = 0; g < 2; g++) memcpy(&b.starts[g], record + ((10 + g) * width + lane) * 4, 4);
    return b;
}

/// A token's row out of packed f32 activations.
static inline void packed_row(float *to, const void *acts, size_t tokens, size_t cols, size_t token) {
    for (size_t c = 0; c < cols; c++) to[c] = packed_f32(acts, tokens, cols, token, c);
}

/// Packed outputs of an op: all forms, when the number of columns allows.
static inline apus_acts make_outputs(size_t tokens, size_t cols) {
    const size_t bytes = apus_acts_bytes(APUS_ACT_Q8, tokens, cols);
    return (apus_acts){.q8 = cols % 32 == 0 ? edge_alloc(bytes) : NULL,
                       .f32 = edge_alloc(apus_acts_bytes(APUS_ACT_F32, tokens, cols)),
                       .bf16 = edge_alloc(apus_acts_bytes(APUS_ACT_BF16, tokens, cols)),
                       .q8_rest = cols % 32 == 0 ? edge_alloc(bytes) : NULL};
}

/// x - q * scale of all blocks, rounded once: what a second quantization starts from.
static inline void packed_rest(float *rest, const float *x, const void *q8, size_t tokens, size_t cols) {
    for (size_t t = 0; t < tokens; t++) {
        for (size_t block = 0; block < cols / 32; block++) {
            const packed_block b = packed_q8(q8, tokens, cols, t, block);
            for (size_t i = 0; i < 32; i++) {
                const size_t at = t * cols + block * 32 + i;
                rest[at] = fmaf((float)b.q[i], -b.scale, x[at]);
            }
        }
    }
}

/// That packed bf16 are the f32 values rounded, the small ones zero, and a missing last column too.
static inline void check_bf16(const void *bf16, const void *f32, size_t tokens, size_t cols, const char *what) {
    bool same = true;
    for (size_t t = 0; t < tokens; t++) {
        for (size_t c = 0; c < (cols + 1) / 2 * 2; c++) {
            const float rounded = c < cols ? bf16_of(packed_f32(f32, tokens, cols, t, c)) : 0;
            same = same && same_float(packed_bf16(bf16, tokens, cols, t, c), fabsf(rounded) < 0x1p-49f ? 0 : rounded);
        }
    }
    check(same, "%s, %s: %zu x %zu, the bf16 form is not the f32 form rounded", what, apus_isa_name(apus_isa_active()),
          tokens, cols);
}

/// That the quantized and rounded forms are those of the f32 form.
static inline void check_quantized(const apus_acts *out, size_t tokens, size_t cols, const char *what) {
    check_bf16(out->bf16, out->f32, tokens, cols, what);
    if (out->q8 == NULL) return;
    const size_t keep = edge_count, bytes = apus_acts_bytes(APUS_ACT_Q8, tokens, cols);
    float *rows = edge_floats(tokens * cols), *rest = edge_floats(tokens * cols);
    void *wanted = edge_alloc(bytes);
    for (size_t t = 0; t < tokens; t++) packed_row(rows + t * cols, out->f32, tokens, cols, t);
    apus_acts_pack(APUS_ACT_Q8, wanted, rows, tokens, cols);
    check(memcmp(wanted, out->q8, bytes) == 0, "%s, %s: %zu x %zu, the quantized form is not the other's", what,
          apus_isa_name(apus_isa_active()), tokens, cols);
    packed_rest(rest, rows, wanted, tokens, cols);
    apus_acts_pack(APUS_ACT_Q8, wanted, rest, tokens, cols);
    check(memcmp(wanted, out->q8_rest, bytes) == 0, "%s, %s: %zu x %zu, the rest's quantized form is wrong", what,
          apus_isa_name(apus_isa_active()), tokens, cols);
    edge_release(keep);
}

#endif
