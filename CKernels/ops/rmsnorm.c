// RMSNorm fused with what stands around it: the residual sum before, the packing for the next products after.
// A tile is a token.
#ifndef APUS_BODY
#include "core/op.h"
#include "isa/isa.h"

static uint32_t tiles(const apus_op *op, const apus_step *step) { return apus_row_count(op->rmsnorm.rows, step); }

#define APUS_BODY "ops/rmsnorm.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_rmsnorm_traits = {.tiles = tiles, .run = APUS_VARIANTS(run)};
#else
#include "ops/acts.inl.h"

/// 1 / sqrt(mean(x^2) + eps): 64 partial sums (lane i % 16 of vector i / 16 % 4), added pairwise.
APUS_INLINE float V(inverse_rms)(const float *x, size_t dim, float eps) {
    f32x16 sums[4] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < dim; i += 64) {
        for (size_t j = 0; j < 4; j++) {
            const size_t at = i + 16 * j;
            const f32x16 part = at + 16 <= dim ? V(load)(x + at)
                                : at < dim     ? V(load_part)(x + at, dim - at)
                                               : (f32x16){0};
            sums[j] = V(fma)(part, part, sums[j]);
        }
    }
    const float sum = V(reduce_add)((sums[0] + sums[1]) + (sums[2] + sums[3]));
    return 1.0f / __builtin_elementwise_sqrt(sum / (float)dim + eps);
}

/// x += delta, or delta * scale * weight where there is a weight.
APUS_INLINE void V(add_to)(float *restrict x, const float *restrict delta, const float *restrict weight, float scale,
                           size_t dim) {
    if (weight == NULL)
        for (size_t i = 0; i < dim; i++) x[i] += delta[i];
    else
        for (size_t i = 0; i < dim; i++) x[i] += delta[i] * scale * weight[i];
}

/// n columns of x * scale * weight.
APUS_INLINE void V(scale_part)(float *restrict y, const float *restrict x, const float *restrict weight, float scale,
                               size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale * weight[i];
}

/// `count` rows from `row` on.
APUS_INLINE void V(rows)(const apus_rmsnorm *op, const apus_step *step, size_t rows, size_t row, int count) {
    const size_t dim = op->dim;
    const float *x[4];
    float scale[4];
    for (int k = 0; k < count; k++) {
        const size_t at = row + (size_t)k, token = op->rows == APUS_ROWS_LOGITS ? (size_t)step->logit_tokens[at] : at;
        float *to = op->x + token * dim;
        if (op->delta != NULL) {
            const float *delta = op->delta + token * dim;
            const float by = op->post_weight != NULL ? V(inverse_rms)(delta, dim, op->eps) : 1.0f;
            V(add_to)(to, delta, op->post_weight, by, dim);
        }
        x[k] = to;
        scale[k] = op->weight != NULL ? V(inverse_rms)(to, dim, op->eps) : 0;
    }
    if (op->weight == NULL) return;
    for (size_t i = 0; i < dim; i += APUS_ACT_BLOCK) {
        const size_t left = dim - i, n = left < APUS_ACT_BLOCK ? left : APUS_ACT_BLOCK;
        float y[4 * APUS_ACT_BLOCK];
        for (int k = 0; k < count; k++) {
            if (n == APUS_ACT_BLOCK) // a constant, so that it becomes vectors
                V(scale_part)(y + k * APUS_ACT_BLOCK, x[k] + i, op->weight + i, scale[k], APUS_ACT_BLOCK);
            else
                V(scale_part)(y + k * APUS_ACT_BLOCK, x[k] + i, op->weight + i, scale[k], n);
        }
        V(put_acts)(&op->out, dim, rows, row, count, i, y, n);
    }
}

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    (void)scratch;
    const apus_rmsnorm *op = &record->rmsnorm;
    const size_t rows = apus_row_count(op->rows, step);
    for (size_t row = begin; row < end;) {
        if (row % 4 == 0 && row + 4 <= end) {
            V(rows)(op, step, rows, row, 4);
            row += 4;
        } else {
            V(rows)(op, step, rows, row++, 1);
        }
    }
}
#endif
