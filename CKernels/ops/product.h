// A tile's product by the weight type's function for the instruction set in use.
#ifndef APUS_PRODUCT_H
#define APUS_PRODUCT_H

#include "quants/quant.h"

static inline void apus_tile_product(const apus_weights *weights, size_t tile, const void *acts, const void *rest,
                                     size_t tokens, float *sums, void *scratch) {
    const apus_quant *quant = weights->quant;
    quant->product[apus_isa_active()](weights->tiles + tile * apus_quant_tile_bytes(quant, weights->cols),
                                      weights->cols, acts, rest, tokens, sums, scratch);
}

static inline const void *apus_acts_for(const apus_weights *weights, const apus_acts *in) {
    return weights->quant->act_format == APUS_ACT_Q8 ? in->q8 : in->f32;
}

#endif
