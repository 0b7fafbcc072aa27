// Up to three matrix products of the same activations. A tile is 16 rows of one of them.
#include <string.h>

#include "core/op.h"
#include "ops/product.h"
#include "quants/four.h"

static uint32_t row_tiles(const apus_product *product) {
    return (product->weights.rows + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
}

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    if (apus_row_count(op->matmul.rows, step) == 0) return 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < op->matmul.n_products; i++) n += row_tiles(&op->matmul.products[i]);
    return n;
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    size_t most = 0;
    for (uint32_t i = 0; i < op->matmul.n_products; i++) {
        const size_t bytes = apus_products_scratch_bytes(op->matmul.products[i].weights.cols, max_tokens);
        if (bytes > most) most = bytes;
    }
    return 4 * max_tokens * APUS_TILE_ROWS * sizeof(float) + most;
}

static uint32_t grain(const apus_op *op, const apus_step *step) {
    return apus_takes_four(op->matmul.products[0].weights.quant, apus_row_count(op->matmul.rows, step)) ? 4 : 1;
}

static void weights(const apus_op *op, uint32_t begin, uint32_t end, apus_range ranges[2]) {
    const apus_product *product = op->matmul.products, *last = product + op->matmul.n_products - 1;
    for (; product < last && begin >= row_tiles(product); product++) {
        begin -= row_tiles(product);
        end -= row_tiles(product);
    }
    ranges[0] = apus_tile_range(&product->weights, begin, end);
    ranges[1] = product < last && end > row_tiles(product)
                    ? apus_tile_range(&product[1].weights, 0, end - row_tiles(product))
                    : (apus_range){0};
}

/// Rows of the tile that begins at `row`.
static inline size_t rows_from(const apus_product *product, size_t row) {
    const size_t left = product->weights.rows - row;
    return left < APUS_TILE_ROWS ? left : APUS_TILE_ROWS;
}

/// A tile's rows of a token, as vectors: left to itself, clang asks about bias and `accumulate` for every row.
static inline void store_row(float *to, const float *from, const float *bias, bool accumulate) {
    f32x16 value, other;
    memcpy(&value, from, sizeof value);
    if (bias != NULL) {
        memcpy(&other, bias, sizeof other);
        value += other;
    }
    if (accumulate) {
        memcpy(&other, to, sizeof other);
        value += other;
    }
    memcpy(to, &value, sizeof value);
}

/// Adds the bias and stores, or adds, 16 rows (fewer at the end) of every token.
static void store(const apus_product *product, size_t row, const float *sums, size_t tokens) {
    const size_t rows = rows_from(product, row);
    const float *bias = product->bias != NULL ? product->bias + row : NULL;
    float *to = product->out + row;
    for (size_t t = 0; t < tokens; t++, to += product->ld, sums += APUS_TILE_ROWS) {
        if (rows == APUS_TILE_ROWS) {
            store_row(to, sums, bias, product->accumulate);
            continue;
        }
        for (size_t r = 0; r < rows; r++) {
            const float value = bias != NULL ? sums[r] + bias[r] : sums[r];
            to[r] = product->accumulate ? to[r] + value : value;
        }
    }
}

/// Up to four tiles from `tile` on: those of its product before `end`. Returns how many.
static uint32_t run_tiles(const apus_op *op, uint32_t tile, uint32_t end, size_t tokens, float *scratch) {
    uint32_t row_tile = tile;
    const apus_product *product = op->matmul.products;
    while (row_tile >= row_tiles(product)) row_tile -= row_tiles(product++);
    const apus_weights *weights = &product->weights;
    const void *acts = apus_acts_for(weights, &op->matmul.in), *rest = product->fine ? op->matmul.in.q8_rest : NULL;
    const uint32_t left = row_tiles(product) - row_tile, most = end - tile < left ? end - tile : left;
    const uint32_t n = most >= 4 && rest == NULL && apus_takes_four(weights->quant, tokens) ? 4 : 1;
    apus_sums out[4];
    const uint8_t *tiles[4];
    bool is_direct[4];
    for (uint32_t i = 0; i < n; i++) {
        const size_t row = (size_t)(row_tile + i) * APUS_TILE_ROWS;
        const bool is_plain = product->bias == NULL && rows_from(product, row) == APUS_TILE_ROWS;
        is_direct[i] = is_plain && !(product->accumulate && rest != NULL);
        out[i] = is_direct[i] ? (apus_sums){product->out + row, product->ld, product->accumulate}
                              : (apus_sums){scratch + i * tokens * APUS_TILE_ROWS, APUS_TILE_ROWS, false};
        tiles[i] = apus_tile(weights, row_tile + i);
    }
    float *own = scratch + 4 * tokens * APUS_TILE_ROWS;
    if (n == 4)
        apus_four_products(weights->quant, tiles, weights->cols, acts, tokens, out, own);
    else
        apus_tile_product(weights, row_tile, acts, rest, tokens, out[0], own);
    for (uint32_t i = 0; i < n; i++)
        if (!is_direct[i]) store(product, (size_t)(row_tile + i) * APUS_TILE_ROWS, out[i].at, tokens);
    return n;
}

static void run(const apus_op *op, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    const size_t tokens = apus_row_count(op->matmul.rows, step);
    for (uint32_t tile = begin; tile < end;) tile += run_tiles(op, tile, end, tokens, scratch);
}

// The product inside is what has variants.
const apus_op_traits apus_matmul_traits = {
    .tiles = tiles, .scratch_bytes = scratch_bytes, .grain = grain, .weights = weights, .run = APUS_ONE_VARIANT(run)};
