// Bounded logits: x = cap * tanh(x / cap), in place. A tile is 4096 of the step's logits.
#ifndef APUS_BODY
#include "core/op.h"
#include "isa/isa.h"

#define TILE 4096

static size_t values(const apus_op *op, const apus_step *step) { return (size_t)step->n_logits * op->softcap.n; }

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    return (uint32_t)((values(op, step) + TILE - 1) / TILE);
}

#define APUS_BODY "ops/softcap.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_softcap_traits = {.tiles = tiles, .run = APUS_VARIANTS(run)};
#else

/// tanh(y) = 1 - 2 / (exp(2y) + 1), off by an absolute 3e-7 at the most: near 0 the difference cancels.
APUS_INLINE f32x16 V(capped)(f32x16 x, float cap) {
    const f32x16 one = V(splat)(1.0f), twice = x * V(splat)(2.0f / cap);
    return V(splat)(cap) * (one - V(splat)(2.0f) / (V(exp)(twice) + one));
}

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    (void)scratch;
    const apus_softcap *op = &record->softcap;
    const size_t all = values(record, step), last = (size_t)end * TILE < all ? (size_t)end * TILE : all;
    for (size_t i = (size_t)begin * TILE; i < last; i += 16) {
        const size_t n = last - i < 16 ? last - i : 16;
        V(store_part)(op->x + i, V(capped)(V(load_part)(op->x + i, n), op->cap), n);
    }
}
#endif
