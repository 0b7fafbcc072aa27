// The gated feed-forward's first half: gate and up products, activation, and packing for the down product.
// A tile is 32 hidden units, a block of the packed output. Gate's and up's row tiles are taken in turn, which is the
// order of memory where `stride` is 2.
#ifndef APUS_BODY
#include "core/op.h"
#include "ops/product.h"
#include "quants/four.h"

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    (void)step;
    return (op->glu.gate.rows + APUS_ACT_BLOCK - 1) / APUS_ACT_BLOCK;
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    // gate and up, two row tiles each, and the products' own
    return 4 * max_tokens * APUS_TILE_ROWS * sizeof(float) + apus_products_scratch_bytes(op->glu.gate.cols, max_tokens);
}

static void weights(const apus_op *op, uint32_t begin, uint32_t end, apus_range ranges[2]) {
    const bool take_turns = op->glu.gate.stride == 2; // then up's tiles stand between and behind gate's
    ranges[0] = apus_tile_range(&op->glu.gate, 2 * begin, 2 * end);
    ranges[1] = take_turns ? (apus_range){0} : apus_tile_range(&op->glu.up, 2 * begin, 2 * end);
}

/// The products of two row tiles of gate and up with all tokens, to gate and up (2, tokens, 16); false where those of
/// four tiles are not to be taken at once.
static bool multiply_four(const apus_glu *op, size_t row_tile, size_t tokens, float *gate, float *up, void *scratch) {
    const apus_quant *quant = op->gate.quant;
    if (op->up.quant != quant || !apus_takes_four(quant, tokens)) return false;
    const uint8_t *const tiles[4] = {apus_tile(&op->gate, row_tile), apus_tile(&op->up, row_tile),
                                     apus_tile(&op->gate, row_tile + 1), apus_tile(&op->up, row_tile + 1)};
    const size_t second = tokens * APUS_TILE_ROWS;
    const apus_sums out[4] = {{.at = gate, .ld = APUS_TILE_ROWS},
                              {.at = up, .ld = APUS_TILE_ROWS},
                              {.at = gate + second, .ld = APUS_TILE_ROWS},
                              {.at = up + second, .ld = APUS_TILE_ROWS}};
    apus_four_products(quant, tiles, op->gate.cols, apus_acts_for(&op->gate, &op->in), tokens, out, scratch);
    return true;
}

/// A row tile's products with all tokens, to sums (tokens, 16).
static void multiply(const apus_weights *weights, size_t row_tile, const apus_acts *in, size_t tokens, float *sums,
                     void *scratch) {
    apus_tile_product(weights, row_tile, apus_acts_for(weights, in), NULL, tokens,
                      (apus_sums){.at = sums, .ld = APUS_TILE_ROWS}, scratch);
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

/// What `run` has computed of a tile: gate and up (row tiles, tokens, 16).
typedef struct {
    const float *gate, *up;
    size_t first, n, row_tiles; ///< hidden units from `first` on
} V(glu_tile);

/// Activates and packs a tile for `count` tokens from t on.
APUS_INLINE void V(activate)(const apus_glu *op, const V(glu_tile) * tile, size_t tokens, size_t t, int count) {
    float y[4 * APUS_ACT_BLOCK];
    if (tile->row_tiles == 1) __builtin_memset(y, 0, sizeof y);
    for (size_t i = 0; i < tile->row_tiles; i++) {
        const size_t row = tile->first + i * APUS_TILE_ROWS, left = op->gate.rows - row;
        const size_t rows = left < APUS_TILE_ROWS ? left : APUS_TILE_ROWS;
        for (size_t k = 0; k < (size_t)count; k++) {
            const size_t at = (i * tokens + t + k) * APUS_TILE_ROWS;
            const f32x16 g = V(with_bias)(tile->gate + at, op->gate_bias, row, rows);
            const f32x16 u = V(with_bias)(tile->up + at, op->up_bias, row, rows);
            const f32x16 a = op->activation == APUS_SILU ? V(silu)(g) : V(gelu_tanh)(g);
            V(store)(y + k * APUS_ACT_BLOCK + i * APUS_TILE_ROWS, a * u);
        }
    }
    V(put_acts)(&op->out, op->gate.rows, tokens, t, count, tile->first, y, tile->n);
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
        const bool is_done = row_tiles == 2 && multiply_four(op, 2 * tile, tokens, gate, up, rest);
        for (size_t i = 0; i < row_tiles && !is_done; i++) {
            multiply(&op->gate, 2 * tile + i, &op->in, tokens, gate + i * tokens * APUS_TILE_ROWS, rest);
            multiply(&op->up, 2 * tile + i, &op->in, tokens, up + i * tokens * APUS_TILE_ROWS, rest);
        }
        const V(glu_tile) sums = {gate, up, first, n, row_tiles};
        size_t t = 0;
        for (; t + 4 <= tokens; t += 4) V(activate)(op, &sums, tokens, t, 4);
        for (; t < tokens; t++) V(activate)(op, &sums, tokens, t, 1);
    }
}
#endif
