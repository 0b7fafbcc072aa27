// Embedding lookup: decodes a token's row out of the packed table. A tile is a token.
#include "core/op.h"
#include "isa/isa.h"

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    (void)op;
    return (uint32_t)step->n_tokens;
}

// Bound by latency of a few cache lines, so there is one variant.
static void run(const apus_op *op, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    (void)scratch;
    const apus_embed *e = &op->embed;
    for (uint32_t t = begin; t < end; t++) {
        float *x = e->x + (size_t)t * e->table.cols;
        apus_weights_decode_row(&e->table, (size_t)step->tokens[t], x);
        if (e->scale != 1.0f)
            for (size_t i = 0; i < e->table.cols; i++) x[i] *= e->scale;
    }
}

const apus_op_traits apus_embed_traits = {.tiles = tiles, .run = APUS_ONE_VARIANT(run)};
