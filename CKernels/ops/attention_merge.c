// Merges the pieces that attention left, divides by the sum of weights, and packs. A tile is a head of a token, or all
// of a token's heads where a block of 32 columns could span two.
#ifndef APUS_BODY
#include "ops/attention.h"
#include "isa/isa.h"

static uint32_t heads_per_tile(const apus_attention *a) { return a->kv.v_dim % APUS_ACT_BLOCK == 0 ? 1 : a->n_heads; }

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    const apus_attention *a = &op->attention_merge.attention;
    return (uint32_t)step->n_tokens * (a->n_heads / heads_per_tile(a));
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    (void)max_tokens;
    const apus_attention *a = &op->attention_merge.attention;
    return ((size_t)a->n_heads * a->kv.v_dim + 64) * sizeof(float);
}

#define APUS_BODY "ops/attention_merge.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_attention_merge_traits = {
    .tiles = tiles, .scratch_bytes = scratch_bytes, .run = APUS_VARIANTS(run)};
#else
#include "ops/acts.inl.h"
#include "ops/attention.inl.h"

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    const apus_attention *a = &record->attention_merge.attention;
    const size_t v_dim = a->kv.v_dim, cols = a->n_heads * v_dim, heads = heads_per_tile(a);
    const uint32_t slots = apus_slots(a, step);
    float *out = scratch;
    for (uint32_t tile = begin; tile < end; tile++) {
        const uint32_t token = tile / (a->n_heads / (uint32_t)heads);
        const size_t first_head = tile % (a->n_heads / heads) * heads;
        const apus_segment *segment = apus_segment_of(step, token);
        const uint32_t position = (uint32_t)segment->first_pos + (token - (uint32_t)segment->first_token);
        const uint32_t first = apus_is_split(step) ? apus_first_seen(a, position) / APUS_SPLIT : 0;
        const uint32_t last = apus_is_split(step) ? position / APUS_SPLIT : 0;
        for (size_t i = 0; i < heads; i++) {
            apus_partial *total = apus_partial_at(a, slots, token, first_head + i, first);
            for (uint32_t slot = first + 1; slot <= last; slot++)
                V(merge)(total, apus_partial_at(a, slots, token, first_head + i, slot), a->kv.v_stride);
            const float inverse = 1.0f / total->sum;
            const float *values = apus_partial_values(total);
            for (size_t d = 0; d < v_dim; d++) out[i * v_dim + d] = values[d] * inverse;
        }
        const size_t n = heads * v_dim, first_col = first_head * v_dim;
        for (size_t c = 0; c < n; c += APUS_ACT_BLOCK)
            V(put_acts)(&record->attention_merge.out, cols, (size_t)step->n_tokens, token, 1, first_col + c, out + c,
                        n - c < APUS_ACT_BLOCK ? n - c : APUS_ACT_BLOCK);
    }
}
#endif
