// Rotary tables against libm in long double, and rotation with the write to the paged cache: each variant against the
// portable one, that against f64; the cache's f16 against integers, and nothing else in the pool touched.
#include "kv.h"

/// Two sequences in one step, the second one over a page's border.
enum { N_TOKENS = 29, FIRST_TOKENS = 6 };

static apus_step make_step(void) {
    apus_segment *segments = edge_alloc(2 * sizeof *segments);
    int32_t *order = shuffled(6), *pages = edge_alloc(6 * sizeof *pages);
    memcpy(pages, order, 6 * sizeof *pages);
    segments[0] = (apus_segment){.first_token = 0, .n_tokens = FIRST_TOKENS, .first_pos = 0, .pages = pages};
    segments[1] = (apus_segment){
        .first_token = FIRST_TOKENS, .n_tokens = N_TOKENS - FIRST_TOKENS, .first_pos = 120, .pages = pages + 2};
    return (apus_step){.n_tokens = N_TOKENS, .n_segments = 2, .segments = segments};
}

static const apus_segment *segment_of(const apus_step *step, int token) {
    return &step->segments[token >= FIRST_TOKENS];
}

static int position_of(const apus_step *step, int token) {
    const apus_segment *segment = segment_of(step, token);
    return segment->first_pos + token - segment->first_token;
}

/// The angle is one f64 product; its cosine and the magnitude are rounded a few times in f64 and once to f32.
static void test_table(void) {
    static const uint32_t sizes[] = {1, 3, 16, 32, 61};
    static const int32_t firsts[] = {0, 1, 4000, 131071, 16000000};
    FOR_EACH_ISA(isa) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t p = 0; p < sizeof firsts / sizeof *firsts; p++) {
                const size_t keep = edge_count, n = sizes[s];
                double *inv_freq = edge_alloc(n * sizeof(double));
                for (size_t i = 0; i < n; i++) inv_freq[i] = pow(10000, -(double)i / (double)n);
                float *table = edge_floats(5 * 2 * n);
                const float magnitude = p % 2 == 0 ? 1.0f : 1.1386294f;
                const apus_op op = {.kind = APUS_OP_rope_table, .rope_table = {inv_freq, table, sizes[s], magnitude}};
                const apus_segment segments[2] = {{.first_token = 0, .n_tokens = 2, .first_pos = firsts[p]},
                                                  {.first_token = 2, .n_tokens = 3, .first_pos = 7}};
                run_ops(&op, 1, &(apus_step){.n_tokens = 5, .n_segments = 2, .segments = segments}, 2);
                for (int t = 0; t < 5; t++) {
                    const int position = t < 2 ? firsts[p] + t : 7 + t - 2;
                    for (size_t i = 0; i < n; i++) {
                        const long double angle = (long double)((double)position * inv_freq[i]);
                        const double c = (double)(cosl(angle) * (long double)magnitude);
                        const double sine = (double)(sinl(angle) * (long double)magnitude);
                        const float *row = table + (size_t)t * 2 * n;
                        check(fabs((double)row[i] - c) <= 1.0001 * U * fabs(c) + 1e-15 &&
                                  fabs((double)row[n + i] - sine) <= 1.0001 * U * fabs(sine) + 1e-15,
                              "position %d pair %zu of %zu: (%.9g, %.9g), wanted (%.9g, %.9g)", position, i, n,
                              (double)row[i], (double)row[n + i], c, sine);
                    }
                }
                edge_release(keep);
            }
        }
    }
}

typedef struct shape {
    uint32_t n_heads, n_kv_heads, k_dim, v_dim, n_pairs;
    apus_rope_layout layout;
    bool norms, rotate;
} shape;

static const shape shapes[] = {
    {4, 4, 64, 64, 32, APUS_ROPE_HALVES, false, true},    {4, 2, 64, 64, 32, APUS_ROPE_PAIRS, false, true},
    {3, 1, 80, 80, 20, APUS_ROPE_HALVES, false, true},    {3, 3, 80, 48, 13, APUS_ROPE_PAIRS, true, true},
    {2, 2, 128, 128, 64, APUS_ROPE_HALVES, true, true},   {5, 5, 17, 7, 8, APUS_ROPE_PAIRS, true, true},
    {2, 1, 20, 33, 10, APUS_ROPE_HALVES, true, true},     {1, 1, 1, 1, 0, APUS_ROPE_HALVES, true, true},
    {2, 2, 96, 100, 0, APUS_ROPE_HALVES, true, false},    {2, 2, 48, 16, 0, APUS_ROPE_PAIRS, false, false},
    {16, 2, 256, 256, 128, APUS_ROPE_HALVES, true, true}, {2, 1, 192, 128, 32, APUS_ROPE_PAIRS, false, true},
};

typedef struct inputs {
    float *q, *k, *v, *cos_sin, *q_norm, *k_norm;
} inputs;

static inputs make_inputs(const shape *s) {
    inputs in = {.q = edge_floats((size_t)N_TOKENS * s->n_heads * s->k_dim),
                 .k = edge_floats((size_t)N_TOKENS * s->n_kv_heads * s->k_dim),
                 .v = edge_floats((size_t)N_TOKENS * s->n_kv_heads * s->v_dim)};
    random_floats(in.q, (size_t)N_TOKENS * s->n_heads * s->k_dim);
    random_floats(in.k, (size_t)N_TOKENS * s->n_kv_heads * s->k_dim);
    for (size_t i = 0; i < (size_t)N_TOKENS * s->n_kv_heads * s->v_dim; i++) // to the ends of f16 and beyond
        in.v[i] = random_normal() * exp2f((float)random_below(44) - 26);
    if (s->rotate) {
        in.cos_sin = edge_floats((size_t)N_TOKENS * 2 * s->n_pairs);
        for (size_t t = 0; t < N_TOKENS; t++) {
            for (size_t i = 0; i < s->n_pairs; i++) {
                const double angle = 10 * random_uniform();
                in.cos_sin[(2 * t) * s->n_pairs + i] = (float)cos(angle);
                in.cos_sin[(2 * t + 1) * s->n_pairs + i] = (float)sin(angle);
            }
        }
    }
    if (s->norms) {
        in.q_norm = edge_floats(s->k_dim);
        in.k_norm = edge_floats(s->k_dim);
        random_floats(in.q_norm, s->k_dim);
        random_floats(in.k_norm, s->k_dim);
    }
    return in;
}

enum { EPS_INVERSE = 1 << 16 }; // eps = 2^-16, exact

/// One head in f64, and the bound of each value: the head's norm is off by half its sum's dim / 16 + 8 roundings and
/// some 4 more; a rotation rounds each product and the sum.
static void head_f64(const float *x, const float *norm, const float *cosines, const float *sines, const shape *s,
                     double *wanted, double *bound) {
    double sum = 0, magnitude[256];
    for (uint32_t i = 0; i < s->k_dim; i++) sum += (double)x[i] * (double)x[i];
    const double scale = norm != NULL ? 1 / sqrt(sum / s->k_dim + 1.0 / EPS_INVERSE) : 1;
    for (uint32_t i = 0; i < s->k_dim; i++) {
        wanted[i] = norm != NULL ? (double)x[i] * scale * (double)norm[i] : (double)x[i];
        magnitude[i] = fabs(wanted[i]);
    }
    const double rounding = norm != NULL ? (s->k_dim / 16 + 10) / 2.0 + 5 : 0;
    for (uint32_t i = 0; i < s->k_dim; i++) bound[i] = 1.01 * rounding * U * magnitude[i];
    if (cosines == NULL) return;
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        const uint32_t a = s->layout == APUS_ROPE_PAIRS ? 2 * i : i;
        const uint32_t b = s->layout == APUS_ROPE_PAIRS ? 2 * i + 1 : i + s->n_pairs;
        const double c = (double)cosines[i], sine = (double)sines[i], x0 = wanted[a], x1 = wanted[b];
        const double m0 = magnitude[a], m1 = magnitude[b];
        wanted[a] = x0 * c - x1 * sine;
        wanted[b] = x0 * sine + x1 * c;
        bound[a] = 1.01 * (rounding + 2) * U * (m0 * fabs(c) + m1 * fabs(sine));
        bound[b] = 1.01 * (rounding + 2) * U * (m0 * fabs(sine) + m1 * fabs(c));
    }
}

/// Runs the op on copies of q, into the pool.
static void run_rope(const shape *s, const inputs *in, const apus_step *step, float *q, const apus_kv *kv,
                     int threads) {
    memcpy(q, in->q, (size_t)N_TOKENS * s->n_heads * s->k_dim * sizeof(float));
    const apus_op op = {.kind = APUS_OP_rope_kv,
                        .rope_kv = {.q = q,
                                    .k = in->k,
                                    .v = in->v,
                                    .cos_sin = in->cos_sin,
                                    .q_norm = in->q_norm,
                                    .k_norm = in->k_norm,
                                    .kv = *kv,
                                    .n_heads = s->n_heads,
                                    .n_pairs = s->n_pairs,
                                    .layout = s->layout,
                                    .norm_eps = 1.0f / EPS_INVERSE}};
    run_ops(&op, 1, step, threads);
}

static void check_values(const shape *s, const inputs *in, const apus_step *step, const float *q, pool *p) {
    double wanted[256], bound[256];
    const size_t pairs = s->n_pairs;
    for (int t = 0; t < N_TOKENS; t++) {
        const float *cosines = in->cos_sin != NULL ? in->cos_sin + (size_t)t * 2 * pairs : NULL;
        const float *sines = cosines != NULL ? cosines + pairs : NULL;
        const int32_t *pages = segment_of(step, t)->pages;
        const size_t position = (size_t)position_of(step, t);
        for (uint32_t h = 0; h < s->n_heads; h++) {
            const size_t at = ((size_t)t * s->n_heads + h) * s->k_dim;
            head_f64(in->q + at, in->q_norm, cosines, sines, s, wanted, bound);
            for (uint32_t i = 0; i < s->k_dim; i++)
                check(fabs((double)q[at + i] - wanted[i]) <= bound[i] + 1e-40,
                      "q of token %d head %u dim %u of %u: %.9g, wanted %.9g +- %.2g", t, h, i, s->k_dim,
                      (double)q[at + i], wanted[i], bound[i]);
        }
        for (uint32_t h = 0; h < s->n_kv_heads; h++) {
            const size_t row = (size_t)t * s->n_kv_heads + h;
            head_f64(in->k + row * s->k_dim, in->k_norm, cosines, sines, s, wanted, bound);
            for (uint32_t i = 0; i < s->k_dim; i++) { // half a unit of f16 on top
                uint16_t *half = key_at(&p->kv, pages, position, h, i);
                const double got = half_value(*half), unit = fmax(fabs(wanted[i]) * 0x1p-11, 0x1p-25);
                check(fabs(got - wanted[i]) <= 1.001 * (bound[i] + unit),
                      "k of token %d head %u dim %u of %u: %.9g, wanted %.9g", t, h, i, s->k_dim, got, wanted[i]);
                *half = 0xffff; // so that the rest can be seen to be untouched
            }
            for (uint32_t i = 0; i < p->kv.v_stride; i++) {
                uint16_t *half = value_at(&p->kv, pages, position, h, i);
                const uint16_t right = i < s->v_dim ? half_of(in->v[row * s->v_dim + i]) : 0;
                check(*half == right, "v of token %d head %u dim %u of %u: %04x, wanted %04x", t, h, i, s->v_dim, *half,
                      right);
                *half = 0xffff;
            }
        }
    }
    size_t touched = 0;
    for (size_t i = 0; i < p->elements; i++) touched += p->base[i] != 0xffff;
    check(touched == 0, "%zu values elsewhere in the pool were written", touched);
}

static void test_shape(const shape *s) {
    const size_t keep = edge_count;
    const apus_step step = make_step();
    const inputs in = make_inputs(s);
    const size_t q_floats = (size_t)N_TOKENS * s->n_heads * s->k_dim;
    float *expected = edge_floats(q_floats);
    pool first = {0};
    uint16_t *written = NULL;
    FOR_EACH_ISA(isa) {
        const size_t inner = edge_count;
        float *q = isa == APUS_ISA_PORTABLE ? expected : edge_floats(q_floats);
        pool p = make_pool(6, s->n_kv_heads, s->k_dim, s->v_dim);
        run_rope(s, &in, &step, q, &p.kv, 1 + isa % 3);
        if (isa == APUS_ISA_PORTABLE) {
            first = p;
            written = edge_alloc(p.elements * sizeof *written);
            memcpy(written, p.base, p.elements * sizeof *written);
            check_values(s, &in, &step, q, &first);
            continue;
        }
        check(first_difference(q, expected, q_floats) == q_floats, "%s: q differs, %u heads x %u",
              apus_isa_name((apus_isa)isa), s->n_heads, s->k_dim);
        check(memcmp(written, p.base, p.elements * sizeof *written) == 0, "%s: the cache differs, %u heads x %u, %u",
              apus_isa_name((apus_isa)isa), s->n_kv_heads, s->k_dim, s->v_dim);
        edge_release(inner);
    }
    edge_release(keep);
}

int main(void) {
    test_table();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        random_state = 200 + i;
        test_shape(&shapes[i]);
    }
    return test_finish();
}
