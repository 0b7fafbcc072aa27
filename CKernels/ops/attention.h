// What attention and its merge share: which queries see which positions, and where the pieces' results stand.
#ifndef APUS_ATTENTION_H
#define APUS_ATTENTION_H

#include "core/op.h"

/// Queries (tokens x the heads of one KV head) that a tile works on together, so that a page of keys and values stays
/// in the first cache level: 32 of them hold 16 KiB of state at 64 dimensions, and are eights (attention_queries) of
/// whole tokens for groups of 1, 2, 4 and 8 heads.
#define APUS_TILE_QUERIES 32

/// A piece's result for one query: largest score, sum of weights, weighted sum of values; all in powers of 2.
typedef struct apus_partial {
    float max, sum;
    float pad[14]; ///< the values start on a cache line
} apus_partial;

static inline size_t apus_partial_floats(const apus_kv *kv) {
    return sizeof(apus_partial) / sizeof(float) + kv->v_stride;
}

static inline float *apus_partial_values(apus_partial *partial) { return (float *)(partial + 1); }

static inline uint32_t apus_group(const apus_attention *a) { return a->n_heads / a->kv.n_kv_heads; }

/// The first position that a token at `position` sees.
static inline uint32_t apus_first_seen(const apus_attention *a, uint32_t position) {
    return a->window > 0 && position + 1 > a->window ? position + 1 - a->window : 0;
}

/// Whether a step spreads the context of each token over the team.
static inline bool apus_is_split(const apus_step *step) { return step->n_tokens <= APUS_SPLIT_TOKENS; }

/// Pieces for which a query has room in a step: 1 where they are merged at once.
static inline uint32_t apus_slots(const apus_attention *a, const apus_step *step) {
    (void)a;
    if (!apus_is_split(step)) return 1;
    uint32_t most = 1;
    for (int32_t i = 0; i < step->n_segments; i++) {
        const apus_segment *s = &step->segments[i];
        const uint32_t pieces = (uint32_t)(s->first_pos + s->n_tokens - 1) / APUS_SPLIT + 1;
        if (pieces > most) most = pieces;
    }
    return most;
}

static inline apus_partial *apus_partial_at(const apus_attention *a, uint32_t slots, size_t token, size_t head,
                                            size_t slot) {
    return (apus_partial *)(a->partial + ((token * a->n_heads + head) * slots + slot) * apus_partial_floats(&a->kv));
}

#endif
