// A tile's product by the weight type's function for the instruction set in use.
#ifndef APUS_PRODUCT_H
#define APUS_PRODUCT_H

#include "quants/quant.h"

/// Tiles [begin, end) of a matrix, as far as it has them, with what stands between and behind them.
static inline apus_range apus_tile_range(const apus_weights *weights, size_t begin, size_t end) {
    const size_t tiles = (weights->rows + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    if (begin >= tiles) return (apus_range){0};
    return (apus_range){apus_tile(weights, begin), ((end < tiles ? end : tiles) - begin) * apus_tile_step(weights)};
}

static inline void apus_tile_product(const apus_weights *weights, size_t tile, const void *acts, const void *rest,
                                     size_t tokens, apus_sums out, void *scratch) {
    weights->quant->product[apus_isa_active()](apus_tile(weights, tile), weights->cols, acts, rest, tokens, out,
                                               scratch);
}

static inline const void *apus_acts_for(const apus_weights *weights, const apus_acts *in) {
    const apus_act_format format = weights->quant->act_format;
    return format == APUS_ACT_Q8 ? in->q8 : format == APUS_ACT_BF16 ? in->bf16 : in->f32;
}

#endif
