// Attention over the paged cache: however a step is cut, whatever runs beside it, on every variant and number of
// threads, a token gets the bits that it gets alone on the portable one; and those are right against f64.
#include "acts.h"
#include "kv.h"

typedef struct shape {
    uint32_t n_heads, n_kv_heads, k_dim, v_dim, window, context;
    float scale; ///< times 1 / sqrt(k_dim)
} shape;

static const shape shapes[] = {
    {4, 4, 64, 64, 0, 1300, 1},    // every head its own keys
    {6, 2, 64, 64, 0, 1300, 1},    // 3 heads on one
    {9, 3, 32, 32, 0, 700, 8},     // peaked weights
    {8, 2, 32, 48, 0, 1100, 1},    // 4 heads on one, values wider than keys
    {8, 1, 16, 32, 0, 1300, 1},    // 8 heads on one
    {40, 1, 16, 16, 0, 600, 1},    // more than a tile's queries
    {70, 2, 20, 16, 40, 300, 1},   //
    {2, 1, 80, 80, 0, 530, 1},     // not multiples of 32
    {3, 3, 24, 40, 0, 300, 1},     // not multiples of 16
    {1, 1, 17, 7, 0, 200, 1},      // odd
    {2, 1, 192, 128, 0, 1100, 1},  // keys wider than values
    {1, 1, 256, 256, 0, 600, 1},   //
    {4, 2, 32, 32, 1, 600, 1},     // windows: only itself
    {4, 2, 32, 32, 5, 1100, 1},    //
    {4, 2, 32, 64, 64, 700, 1},    // a page
    {4, 2, 32, 32, 100, 1300, 1},  //
    {4, 1, 32, 32, 512, 1300, 1},  // a piece
    {4, 1, 32, 32, 513, 1300, 1},  //
    {4, 1, 32, 32, 5000, 1100, 1}, // longer than the context
};

/// Two sequences in one cache, and the queries asked of them.
typedef struct world {
    shape shape;
    apus_kv kv;
    int32_t *pages[2];  ///< (pages of the context)
    float *q[2];        ///< (context, n_heads, k_dim)
    float *expected[2]; ///< (context, n_heads * v_dim): NaN where not asked
} world;

/// Positions [first, first + n) of a sequence.
typedef struct range {
    int sequence;
    uint32_t first, n;
} range;

/// Scattered pages; what no position has written is NaN.
static world make_world(shape s) {
    const uint32_t n_pages = (s.context + PAGE - 1) / PAGE;
    world w = {.shape = s, .kv = make_pool(2 * n_pages + 1, s.n_kv_heads, s.k_dim, s.v_dim).kv};
    const int32_t *order = shuffled(2 * n_pages + 1);
    for (int sequence = 0; sequence < 2; sequence++) {
        w.pages[sequence] = edge_alloc(n_pages * sizeof(int32_t));
        memcpy(w.pages[sequence], order + sequence * n_pages, n_pages * sizeof(int32_t));
        w.q[sequence] = edge_floats((size_t)s.context * s.n_heads * s.k_dim);
        w.expected[sequence] = edge_floats((size_t)s.context * s.n_heads * s.v_dim);
        random_floats(w.q[sequence], (size_t)s.context * s.n_heads * s.k_dim);
        for (uint32_t position = 0; position < s.context; position++)
            for (uint32_t head = 0; head < s.n_kv_heads; head++) {
                for (uint32_t d = 0; d < s.k_dim; d++)
                    *key_at(&w.kv, w.pages[sequence], position, head, d) = half_of(random_normal());
                for (uint32_t d = 0; d < w.kv.v_stride; d++)
                    *value_at(&w.kv, w.pages[sequence], position, head, d) = d < s.v_dim ? half_of(random_normal()) : 0;
            }
    }
    return w;
}

static apus_attention attention_of(const world *w) {
    return (apus_attention){.kv = w->kv,
                            .n_heads = w->shape.n_heads,
                            .window = w->shape.window,
                            .scale = w->shape.scale / sqrtf((float)w->shape.k_dim)};
}

/// Runs the ranges as the segments of one step: out (tokens, n_heads * v_dim).
static void run_step(const world *w, const range *ranges, size_t n_ranges, int threads, float *out) {
    const size_t keep = edge_count, q_floats = (size_t)w->shape.n_heads * w->shape.k_dim;
    const size_t cols = (size_t)w->shape.n_heads * w->shape.v_dim;
    apus_segment *segments = edge_alloc(n_ranges * sizeof *segments);
    size_t tokens = 0, longest = 0;
    for (size_t i = 0; i < n_ranges; i++) {
        segments[i] = (apus_segment){.first_token = (int32_t)tokens,
                                     .n_tokens = (int32_t)ranges[i].n,
                                     .first_pos = (int32_t)ranges[i].first,
                                     .pages = w->pages[ranges[i].sequence]};
        tokens += ranges[i].n;
        if (ranges[i].first + ranges[i].n > longest) longest = ranges[i].first + ranges[i].n;
    }
    float *q = edge_floats(tokens * q_floats);
    for (size_t i = 0; i < n_ranges; i++)
        memcpy(q + (size_t)segments[i].first_token * q_floats, w->q[ranges[i].sequence] + ranges[i].first * q_floats,
               ranges[i].n * q_floats * sizeof(float));

    apus_attention attention = attention_of(w);
    attention.q = q;
    attention.partial = edge_floats(apus_attention_partial_floats(&attention, tokens, longest));
    const apus_acts acts = make_outputs(tokens, cols);
    const apus_op ops[2] = {
        {.kind = APUS_OP_attention, .attention = attention},
        {.kind = APUS_OP_attention_merge, .attention_merge = {.attention = attention, .out = acts}}};
    const apus_step step = {.n_tokens = (int32_t)tokens, .n_segments = (int32_t)n_ranges, .segments = segments};
    run_ops(ops, 2, &step, threads);
    for (size_t t = 0; t < tokens; t++) packed_row(out + t * cols, acts.f32, tokens, cols, t);
    check_quantized(&acts, tokens, cols, "attention");
    edge_release(keep);
}

static void check_step(const world *w, const range *ranges, size_t n_ranges, int threads, const char *what) {
    const size_t keep = edge_count, cols = (size_t)w->shape.n_heads * w->shape.v_dim;
    size_t tokens = 0, token = 0;
    for (size_t i = 0; i < n_ranges; i++) tokens += ranges[i].n;
    float *out = edge_floats(tokens * cols);
    run_step(w, ranges, n_ranges, threads, out);
    for (size_t i = 0; i < n_ranges; i++) {
        for (uint32_t j = 0; j < ranges[i].n; j++, token++) {
            const float *wanted = w->expected[ranges[i].sequence] + (ranges[i].first + j) * cols;
            const size_t at = first_difference(out + token * cols, wanted, cols);
            check(
                at == cols,
                "%s: %u heads on %u, %u x %u, window %u, %s, %d threads: position %u of %d, head %zu value %zu is %a, "
                "wanted %a",
                what, w->shape.n_heads, w->shape.n_kv_heads, w->shape.k_dim, w->shape.v_dim, w->shape.window,
                apus_isa_name(apus_isa_active()), threads, ranges[i].first + j, ranges[i].sequence, at / w->shape.v_dim,
                at % w->shape.v_dim, at < cols ? (double)out[token * cols + at] : 0,
                at < cols ? (double)wanted[at] : 0);
        }
    }
    edge_release(keep);
}

/// One head of one query in f64. In powers of 2, with u the unit roundoff, n positions in P pages and pieces:
/// a score is off by e <= (k_dim + 3) u sum|q k|; a weight, relatively, by ln 2 (e + 2 u R) + (P + 1) 2e-7 + P u, where
/// R is the range of the scores and 2e-7 the error of exp2 (each page and piece rescales what came before); the sums of
/// at most 512 products, rescaled and merged, by (512 + 3 P + 16) u of the sum of magnitudes. Weights below 2^-126 are
/// 0.
static void check_f64(const world *w, int sequence, uint32_t position, uint32_t head) {
    const shape *s = &w->shape;
    const uint32_t first = s->window > 0 && position + 1 > s->window ? position + 1 - s->window : 0;
    const uint32_t kv_head = head / (s->n_heads / s->n_kv_heads), n = position + 1 - first;
    const float *q = w->q[sequence] + ((size_t)position * s->n_heads + head) * s->k_dim;
    const double scale = (double)attention_of(w).scale / log(2.0);
    double scores[1536], error = 0, most = -INFINITY, least = INFINITY, sum = 0;
    for (uint32_t j = 0; j < n; j++) {
        double score = 0, magnitude = 0;
        for (uint32_t d = 0; d < s->k_dim; d++) {
            const double product =
                (double)q[d] * half_value(*key_at(&w->kv, w->pages[sequence], first + j, kv_head, d)) * scale;
            score += product;
            magnitude += fabs(product);
        }
        scores[j] = score;
        error = fmax(error, (s->k_dim + 3) * U * magnitude);
        most = fmax(most, score);
        least = fmin(least, score);
    }
    for (uint32_t j = 0; j < n; j++) sum += scores[j] = exp2(scores[j] - most);
    const double steps = n / PAGE + 2 + n / PIECE + 2;
    const double relative = 2 * (log(2.0) * (error + 2 * U * (most - least)) + (steps + 1) * 2e-7 + steps * U) +
                            (fmin(n, PIECE) + 3 * steps + 16) * U;
    const float *got = w->expected[sequence] + ((size_t)position * s->n_heads + head) * s->v_dim;
    for (uint32_t d = 0; d < s->v_dim; d++) {
        double wanted = 0, magnitude = 0;
        for (uint32_t j = 0; j < n; j++) {
            const double value = scores[j] * half_value(*value_at(&w->kv, w->pages[sequence], first + j, kv_head, d));
            wanted += value / sum;
            magnitude += fabs(value) / sum;
        }
        const double bound = 1.05 * relative * magnitude + n * 0x1p-120;
        check(fabs((double)got[d] - wanted) <= bound,
              "%u heads on %u, %u x %u, window %u, position %u head %u: value %u is %.9g, f64 says %.9g +- %.2g",
              s->n_heads, s->n_kv_heads, s->k_dim, s->v_dim, s->window, position, head, d, (double)got[d], wanted,
              bound);
    }
}

enum { N_RANGES = 8 };

/// Around the starts and ends of pages and pieces, of both sequences; the context's last position is among them.
static void choose_ranges(uint32_t context, range ranges[N_RANGES]) {
    const range wanted[N_RANGES] = {{0, 0, 18}, {0, 60, 9},  {0, 503, 20}, {0, context - 19, 19},
                                    {1, 0, 3},  {1, 125, 5}, {1, 510, 4},  {1, context - 2, 2}};
    for (int i = 0; i < N_RANGES; i++) {
        ranges[i] = wanted[i];
        if (ranges[i].first + ranges[i].n > context) ranges[i].first = context - ranges[i].n;
    }
}

static void test_shape(shape s) {
    const size_t keep = edge_count;
    const bool small = test_small();
    if (small && s.context > 600) s.context = 590;
    const world w = make_world(s);
    const size_t cols = (size_t)s.n_heads * s.v_dim;
    range ranges[N_RANGES];
    choose_ranges(s.context, ranges);

    use_isa(APUS_ISA_PORTABLE);
    for (int i = 0; i < N_RANGES; i++) {
        for (uint32_t j = 0; j < ranges[i].n; j++) {
            const range one = {ranges[i].sequence, ranges[i].first + j, 1};
            run_step(&w, &one, 1, 1, w.expected[one.sequence] + one.first * cols);
            for (uint32_t head = j % 5; head < s.n_heads; head += 5) check_f64(&w, one.sequence, one.first, head);
        }
    }
    FOR_EACH_ISA(isa) {
        check_step(&w, ranges, N_RANGES, 1 + isa % 3, "two sequences together");
        for (int i = 0; i < N_RANGES; i += small ? 3 : 1) check_step(&w, &ranges[i], 1, 1, "a range alone");
        // Chunks of a range: up to 16 tokens are split over pieces, more are not.
        static const uint32_t chunks[] = {1, 7, 16, 17};
        for (size_t c = small ? 1 : 0; c < sizeof chunks / sizeof *chunks; c += small ? 2 : 1) {
            if (isa == APUS_ISA_PORTABLE && chunks[c] == 1) continue; // that is how the expected bits were made
            for (uint32_t at = 0; at < ranges[3].n; at += chunks[c]) {
                const uint32_t left = ranges[3].n - at;
                check_step(&w, &(range){0, ranges[3].first + at, left < chunks[c] ? left : chunks[c]}, 1, 1, "a chunk");
            }
        }
        // Few tokens of several lengths in one step, split; and the same beside a prefill, not split.
        const range few[] = {{0, s.context - 1, 1}, {1, 0, 2}, {0, ranges[2].first, 6}, {1, s.context - 1, 1}};
        check_step(&w, few, 4, 2, "decoding together");
        const range mixed[] = {{1, s.context - 1, 1}, {0, ranges[2].first + 3, 15}, {1, 0, 1}, {0, s.context - 5, 5}};
        check_step(&w, mixed, 4, 1, "decoding beside prefill");
    }
    edge_release(keep);
}

/// Infinite and NaN queries: the same answers everywhere (any NaN equals any NaN), and no trap.
static void test_wild(void) {
    const size_t keep = edge_count;
    const shape s = {4, 2, 32, 32, 0, 200, 1};
    const world w = make_world(s);
    const size_t cols = (size_t)s.n_heads * s.v_dim;
    static const float wild[] = {INFINITY, -INFINITY, NAN, 3e38f, 1e-45f, 0.0f};
    for (uint32_t position = 0; position < s.context; position++)
        for (uint32_t i = 0; i < s.n_heads * s.k_dim; i++)
            if (random_below(20) == 0) w.q[0][position * s.n_heads * s.k_dim + i] = wild[random_below(6)];
    use_isa(APUS_ISA_PORTABLE);
    for (uint32_t position = 100; position < 140; position++)
        run_step(&w, &(range){0, position, 1}, 1, 1, w.expected[0] + position * cols);
    FOR_EACH_ISA(isa) {
        check_step(&w, &(range){0, 100, 40}, 1, 1, "wild queries");
        check_step(&w, &(range){0, 120, 9}, 1, 2, "wild queries");
    }
    edge_release(keep);
}

int main(void) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        random_state = 100 + i;
        if (test_small() && i % 2 == 0 && i >= 8) continue;
        test_shape(shapes[i]);
    }
    test_wild();
    return test_finish();
}
