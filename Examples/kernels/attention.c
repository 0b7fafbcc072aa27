// Attention of one token over a paged KV cache, 8 query heads on 2 heads of keys and values, checked by a plain loop.
#include <apus_kernels.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 8, KV_HEADS = 2, DIM = 64, CONTEXT = 1000, PAGES = CONTEXT / APUS_PAGE + 1, THREADS = 2 };

static float q[CONTEXT][HEADS][DIM], k[CONTEXT][KV_HEADS][DIM], v[CONTEXT][KV_HEADS][DIM], out[HEADS][DIM];

static void fill(float *to, int n) { // multiples of 1/256, which f16 holds exactly
    while (n-- > 0) *to++ = (float)(rand() % 513 - 256) / 256;
}

int main(void) {
    fill(&q[0][0][0], CONTEXT * HEADS * DIM);
    fill(&k[0][0][0], CONTEXT * KV_HEADS * DIM);
    fill(&v[0][0][0], CONTEXT * KV_HEADS * DIM);
    const size_t half = KV_HEADS * APUS_PAGE * DIM; // of a page, in elements: the keys, and then the values
    uint16_t *pool = apus_pages_alloc(PAGES * 2 * half * sizeof *pool);
    int32_t pages[PAGES];
    for (int i = 0; i < PAGES; i++) pages[i] = PAGES - 1 - i; // in any order
    const apus_kv kv = {pool, pool + half, 2 * half, KV_HEADS, DIM, DIM, DIM};

    // The plan: write keys and values to the cache (without a rotation), attend, merge the pieces of the context.
    apus_attention attention = {.q = &q[0][0][0], .kv = kv, .n_heads = HEADS, .scale = 0.125f};
    attention.partial = apus_pages_alloc(apus_attention_partial_floats(&attention, 1, CONTEXT) * sizeof(float));
    const apus_op ops[3] = {
        {.kind = APUS_OP_rope_kv,
         .rope_kv = {.q = &q[0][0][0], .k = &k[0][0][0], .v = &v[0][0][0], .kv = kv, .n_heads = HEADS}},
        {.kind = APUS_OP_attention, .attention = attention},
        {.kind = APUS_OP_attention_merge, .attention_merge = {attention, .out = {.f32 = out}}}};
    apus_plan plan = {.ops = ops, .n_ops = 1, .scratch_bytes = apus_plan_scratch_bytes(ops, 3, CONTEXT)};
    plan.scratch = apus_pages_alloc(THREADS * plan.scratch_bytes + 64);

    // A step that writes all positions, and then one that attends from the last of them with the first query.
    apus_segment segment = {.n_tokens = CONTEXT, .pages = pages};
    apus_plan_run(&plan, &(apus_step){.n_tokens = CONTEXT, .n_segments = 1, .segments = &segment}, THREADS);
    plan.ops = ops + 1, plan.n_ops = 2;
    segment.n_tokens = 1, segment.first_pos = CONTEXT - 1;
    apus_plan_run(&plan, &(apus_step){.n_tokens = 1, .n_segments = 1, .segments = &segment}, THREADS);

    double worst = 0;
    for (int head = 0; head < HEADS; head++) {
        double sum = 0, mean[DIM] = {0};
        for (int p = 0; p < CONTEXT; p++) {
            double score = 0;
            for (int d = 0; d < DIM; d++) score += (double)q[0][head][d] * k[p][head * KV_HEADS / HEADS][d];
            const double weight = exp(score * 0.125);
            sum += weight;
            for (int d = 0; d < DIM; d++) mean[d] += weight * v[p][head * KV_HEADS / HEADS][d];
        }
        for (int d = 0; d < DIM; d++) worst = fmax(worst, fabs(mean[d] / sum - out[head][d]));
    }
    printf("%s: the largest error is %.1e\n", apus_isa_name(apus_isa_active()), worst);
    return worst < 1e-5 ? 0 : 1;
}
