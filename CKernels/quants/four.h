// Products of four tiles at once: see quants/four.c.
#ifndef APUS_FOUR_H
#define APUS_FOUR_H

#include "quants/quant.h"

/// Whether products of so many tokens are to take four tiles at once.
bool apus_takes_four(const apus_quant *quant, size_t tokens);

/// Scratch of products over `cols` inputs with up to `tokens` tokens: the sums of four tiles, or what one tile takes.
static inline size_t apus_products_scratch_bytes(size_t cols, size_t tokens) {
    const size_t four = 4 * tokens * APUS_TILE_ROWS * sizeof(float), one = apus_product_scratch_bytes(cols);
    return four > one ? four : one;
}

/// Four tiles of a type times all tokens. `scratch` is 64-byte aligned.
void apus_four_products(const apus_quant *quant, const uint8_t *const tiles[4], size_t cols, const void *acts,
                        size_t tokens, const apus_sums out[4], void *scratch);

#endif
