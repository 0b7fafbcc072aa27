// The cosines and sines of a step's rotations, once for all layers. A tile is a token.
#include "core/op.h"
#include "isa/isa.h"

#include <math.h>

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    (void)op;
    return (uint32_t)step->n_tokens;
}

// In f64, by libm: a float has 24 bits, and angles of long contexts need more.
static void run(const apus_op *op, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    (void)scratch;
    const apus_rope_table *table = &op->rope_table;
    const size_t n = table->n_pairs;
    for (uint32_t t = begin; t < end; t++) {
        const apus_segment *segment = apus_segment_of(step, t);
        const double position = (double)(segment->first_pos + ((int32_t)t - segment->first_token));
        float *cosines = table->cos_sin + (size_t)t * 2 * n, *sines = cosines + n;
        for (size_t i = 0; i < n; i++) {
            cosines[i] = (float)(cos(position * table->inv_freq[i]) * (double)table->magnitude);
            sines[i] = (float)(sin(position * table->inv_freq[i]) * (double)table->magnitude);
        }
    }
}

const apus_op_traits apus_rope_table_traits = {.tiles = tiles, .run = APUS_ONE_VARIANT(run)};
