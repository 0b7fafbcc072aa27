// The gated feed-forward's first half: gate and up products, activation, and packing for the down product.
// A tile is 32 hidden units, a block of the packed output.
#ifndef APUS_BODY
#include "core/op.h"
#include "ops/product.h"

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    (void)step;
    return (op->glu.gate.rows + APUS_ACT_BLOCK - 1) / APUS_ACT_BLOCK;
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    // gate and up, two row tiles each, and the products' own
    return 4 * max_tokens * APUS_TILE_ROWS * sizeof(float) + apus_product_scratch_bytes(op->glu.gate.cols);
}

static void weights(const apus_op *op, uint32_t begin, uint32_t end, apus_range ranges[2]) {
    ranges[0] = apus_tile_range(&op->glu.gate, 2 * begin, 2 * end);
    ranges[1] = apus_tile_range(&op->glu.up, 2 * begin, 2 * end);
}

/// Fetches the beginning of a tile into the second cache level.
static void fetch(const apus_weights *weights, size_t tile) {
    const apus_range range = apus_tile_range(weights, tile, tile + 1);
    for (size_t i = 0; i < range.bytes && i < 2048; i += 64) __builtin_prefetch(range.at + i, 0, 2);
}

#define APUS_BODY "ops/glu.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_glu_traits = {
    .tiles = tiles, .scratch_bytes = scratch_bytes, .weights = weights, .run = APUS_VARIANTS(run)};
#else
#include "ops/acts.inl.h"

APUS_INLINE f32x16 V(with_bias)(const float *sums, const float *bias, size_t row, size_t n) {
    const f32x16 x = V(load)(sums);
    return bias != NULL ? x + V(load_part)(bias + row, n) : x;
}

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    const apus_glu *op = &record->glu;
    const size_t tokens = (size_t)step->n_tokens, hidden = op->gate.rows;
    float *gate = scratch, *up = gate + 2 * tokens * APUS_TILE_ROWS;
    void *rest = up + 2 * tokens * APUS_TILE_ROWS;
    for (uint32_t tile = begin; tile < end; tile++) {
        const size_t first = (size_t)tile * APUS_ACT_BLOCK;
        const size_t n = hidden - first < APUS_ACT_BLOCK ? hidden - first : APUS_ACT_BLOCK;
        const size_t row_tiles = (n + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
        // Both row tiles of a matrix at once: one stretch of memory. The next stretch's beginning is fetched meanwhile,
        // after which the processor goes on by itself.
        fetch(&op->up, 2 * tile);
        for (size_t i = 0; i < row_tiles; i++)
            apus_tile_product(&op->gate, 2 * tile + i, apus_acts_for(&op->gate, &op->in), NULL, tokens,
                              gate + i * tokens * APUS_TILE_ROWS, rest);
        fetch(&op->gate, 2 * tile + 2);
        for (size_t i = 0; i < row_tiles; i++)
            apus_tile_product(&op->up, 2 * tile + i, apus_acts_for(&op->up, &op->in), NULL, tokens,
                              up + i * tokens * APUS_TILE_ROWS, rest);
        for (size_t t = 0; t < tokens; t++) {
            float y[APUS_ACT_BLOCK] = {0};
            for (size_t i = 0; i < row_tiles; i++) {
                const size_t row = first + i * APUS_TILE_ROWS, at = (i * tokens + t) * APUS_TILE_ROWS;
                const size_t rows = hidden - row < APUS_TILE_ROWS ? hidden - row : APUS_TILE_ROWS;
                const f32x16 g = V(with_bias)(gate + at, op->gate_bias, row, rows);
                const f32x16 u = V(with_bias)(up + at, op->up_bias, row, rows);
                const f32x16 a = op->activation == APUS_SILU ? V(silu)(g) : V(gelu_tanh)(g);
                V(store)(y + i * APUS_TILE_ROWS, a * u);
            }
            V(put_acts)(&op->out, hidden, tokens, t, first, y, n);
        }
    }
}
#endif
