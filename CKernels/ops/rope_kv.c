// Rotary position encoding of q and k, fused with the per-head norms of models that have them and with writing k and v
// to the paged cache. A tile is a token.
#ifndef APUS_BODY
#include "core/op.h"
#include "isa/isa.h"

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    (void)op;
    return (uint32_t)step->n_tokens;
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    (void)max_tokens;
    return (op->rope_kv.kv.k_dim + op->rope_kv.kv.v_stride + 32) * sizeof(float);
}

#define APUS_BODY "ops/rope_kv.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_rope_kv_traits = {.tiles = tiles, .scratch_bytes = scratch_bytes, .run = APUS_VARIANTS(run)};
#else

/// RMSNorm of one head, in 16 partial sums.
APUS_INLINE void V(norm_head)(float *x, const float *weight, size_t dim, float eps) {
    f32x16 sums = {0};
    for (size_t i = 0; i < dim; i += 16) {
        const f32x16 part = i + 16 <= dim ? V(load)(x + i) : V(load_part)(x + i, dim - i);
        sums = V(fma)(part, part, sums);
    }
    const float scale = 1.0f / __builtin_elementwise_sqrt(V(reduce_add)(sums) / (float)dim + eps);
    for (size_t i = 0; i < dim; i++) x[i] = x[i] * scale * weight[i];
}

/// Turns pairs (a[i], b[i]), `stride` (a constant) floats apart.
APUS_INLINE void V(turn)(float *restrict a, float *restrict b, const float *restrict cosines,
                         const float *restrict sines, size_t n_pairs, size_t stride) {
    for (size_t i = 0; i < n_pairs; i++) {
        const float x0 = a[i * stride], x1 = b[i * stride];
        a[i * stride] = x0 * cosines[i] - x1 * sines[i];
        b[i * stride] = x0 * sines[i] + x1 * cosines[i];
    }
}

APUS_INLINE void V(rotate)(float *x, const float *cosines, const float *sines, size_t n_pairs,
                           apus_rope_layout layout) {
    if (layout == APUS_ROPE_PAIRS)
        V(turn)(x, x + 1, cosines, sines, n_pairs, 2);
    else
        V(turn)(x, x + n_pairs, cosines, sines, n_pairs, 1);
}

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    const apus_rope_kv *op = &record->rope_kv;
    const apus_kv *kv = &op->kv;
    const size_t k_dim = kv->k_dim, v_dim = kv->v_dim, v_stride = kv->v_stride;
    float *head = scratch;
    for (size_t token = begin; token < end; token++) {
        const apus_segment *segment = apus_segment_of(step, (uint32_t)token);
        const size_t position = (size_t)segment->first_pos + (token - (size_t)segment->first_token);
        const size_t page = (size_t)segment->pages[position / APUS_PAGE], slot = position % APUS_PAGE;
        const float *cosines = op->cos_sin != NULL ? op->cos_sin + token * 2 * op->n_pairs : NULL;
        const float *sines = cosines != NULL ? cosines + op->n_pairs : NULL;
        for (size_t h = 0; h < op->n_heads; h++) {
            float *q = op->q + (token * op->n_heads + h) * k_dim;
            if (op->q_norm != NULL) V(norm_head)(q, op->q_norm, k_dim, op->norm_eps);
            if (cosines != NULL) V(rotate)(q, cosines, sines, op->n_pairs, op->layout);
        }
        for (size_t h = 0; h < kv->n_kv_heads; h++) {
            const size_t row = token * kv->n_kv_heads + h;
            __builtin_memcpy(head, op->k + row * k_dim, k_dim * sizeof(float));
            if (op->k_norm != NULL) V(norm_head)(head, op->k_norm, k_dim, op->norm_eps);
            if (cosines != NULL) V(rotate)(head, cosines, sines, op->n_pairs, op->layout);
            uint16_t *k = kv->k + page * kv->page_stride + (h * 4 + slot / 16) * k_dim * 16 + slot % 16; // every 16th
            for (size_t i = 0; i < k_dim; i += 16) {
                const size_t n = k_dim - i < 16 ? k_dim - i : 16;
                const u16x16 half = V(to_f16)(V(load_part)(head + i, n));
                for (size_t j = 0; j < n; j++) k[(i + j) * 16] = half[j];
            }
            uint16_t *v = kv->v + page * kv->page_stride + (h * APUS_PAGE + slot) * v_stride;
            for (size_t i = 0; i < v_dim; i += 16) {
                const size_t n = v_dim - i < 16 ? v_dim - i : 16;
                const u16x16 half = V(to_f16)(V(load_part)(op->v + row * v_dim + i, n));
                __builtin_memcpy(v + i, &half, sizeof half); // zeros fill the last vector
            }
        }
    }
}
#endif
