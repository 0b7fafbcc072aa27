// Matrix products of every weight type: each variant against the portable one, bit by bit, at every number of tokens;
// the portable one against f64, within bounds that follow from its formula (quants/block.inl.h).
#include "acts.h"
#include "types.h"

enum { MAX_TOKENS = 64 };

typedef struct problem {
    const apus_quant *quant;
    size_t rows, cols, tokens;
    uint8_t *file;
    apus_weights weights;
    float *x;         ///< (tokens, cols)
    float *reference; ///< (tokens, rows): portable, one token at a time
} problem;

/// out (n, rows) = the tokens [first, first + n) times the weights, as one step.
static void multiply(const problem *p, size_t first, size_t n, float *out) {
    const apus_act_format format = apus_quant_act_format(p->quant);
    void *acts = edge_alloc(apus_acts_bytes(format, n, p->cols));
    apus_acts_pack(format, acts, p->x + first * p->cols, n, p->cols);
    const apus_op op = {.kind = APUS_OP_matmul,
                        .matmul = {.in = acts_of(format, acts),
                                   .products = {{.weights = p->weights, .out = out, .ld = (uint32_t)p->rows}},
                                   .n_products = 1}};
    run_ops(&op, 1, &(apus_step){.n_tokens = (int32_t)n}, 1);
}

/// `file` and `x` are there; packs the weights and computes the reference.
static void prepare(problem *p) {
    p->weights = packed_weights(p->quant, p->file, p->rows, p->cols);
    p->reference = edge_floats(p->tokens * p->rows);
    use_isa(APUS_ISA_PORTABLE);
    for (size_t t = 0; t < p->tokens; t++) {
        const size_t keep = edge_count;
        multiply(p, t, 1, p->reference + t * p->rows);
        edge_release(keep);
    }
}

static problem make_problem(const apus_quant *quant, size_t rows, size_t cols, size_t tokens, bool wild) {
    problem p = {.quant = quant, .rows = rows, .cols = cols, .tokens = tokens};
    p.file = edge_alloc(file_bytes(quant, rows * cols));
    random_weights(quant, p.file, rows * cols, wild);
    p.x = edge_floats(tokens * cols);
    random_floats(p.x, tokens * cols);
    prepare(&p);
    return p;
}

/// The variant in use at n tokens gives the reference's bits.
static void check_variant(const problem *p, size_t n, const char *what, const char *variant) {
    const size_t keep = edge_count, first = random_below(p->tokens - n + 1);
    float *out = edge_floats(n * p->rows);
    multiply(p, first, n, out);
    const size_t at = first_difference(out, p->reference + first * p->rows, n * p->rows);
    check(at == n * p->rows, "%s %s, %zu x %zu, %zu tokens from %zu, %s: token %zu row %zu is %a, wanted %a",
          apus_quant_name(p->quant), what, p->rows, p->cols, n, first, variant, at / p->rows, at % p->rows,
          at < n * p->rows ? (double)out[at] : 0, at < n * p->rows ? (double)p->reference[first * p->rows + at] : 0);
    edge_release(keep);
}

static void check_tokens(const problem *p, size_t n, const char *what) {
    FOR_EACH_ISA(isa) {
        check_variant(p, n, what, apus_isa_name((apus_isa)isa));
        if (isa != APUS_ISA_AVX512VNNI) continue;
        if (apus_quant_act_format(p->quant) == APUS_ACT_Q8) {
            const bool spreads = apus_isa_use_spreading(true);
            check(apus_isa_use_spreading(!spreads), "spreading cannot be turned on");
            check_variant(p, n, what, spreads ? "avx512vnni without spreading" : "avx512vnni with spreading");
            apus_isa_use_spreading(spreads);
            const bool shares = apus_isa_use_sharing(true);
            check(apus_isa_use_sharing(!shares), "sharing cannot be turned on");
            check_variant(p, n, what, shares ? "avx512vnni without sharing" : "avx512vnni with sharing");
            apus_isa_use_sharing(shares);
        }
        if (apus_quant_act_format(p->quant) != APUS_ACT_BF16) continue;
        check(!apus_isa_use_bf16(false), "BF16 dot products cannot be turned off");
        check_variant(p, n, what, "avx512vnni without BF16");
        apus_isa_use_bf16(true);
    }
}

/// Decoded weights, and for each the sum of magnitudes that its formula adds up: |d q| + |m|.
static void decode_weights(const problem *p, float *weights, double *magnitudes) {
    const size_t n = p->rows * p->cols;
    const type_facts *facts = facts_of(p->quant);
    apus_quant_decode(p->quant, p->file, weights, n);
    for (size_t i = 0; i < n; i++) magnitudes[i] = fabs((double)weights[i]);
    const size_t from = (size_t)facts->codes[0], to = (size_t)facts->codes[1];
    if (to == 0) return;
    const size_t block = apus_quant_block(p->quant), bytes = apus_quant_block_bytes(p->quant);
    uint8_t *zeros = edge_alloc(n / block * bytes);
    float *minima = edge_floats(n);
    memcpy(zeros, p->file, n / block * bytes);
    for (size_t b = 0; b < n / block; b++) memset(zeros + b * bytes + from, 0, to - from);
    apus_quant_decode(p->quant, zeros, minima, n);
    for (size_t i = 0; i < n; i++)
        magnitudes[i] = fabs((double)weights[i] - (double)minima[i]) + fabs((double)minima[i]);
}

/// Against f64: with the quantized or rounded activations the error is that of rounding sums; with the exact ones half
/// a step of the quantization comes on top.
///
/// Integer types: a sum of N = (blocks of 32) x scales_a_tile terms by fused multiply-adds is off by at most N u S,
/// where S is the sum of the terms' magnitudes; each term's scale was rounded twice (d * sub-scale, * activation
/// scale), the decoded weight up to three times: (N + 6) u S. Float types: one fused multiply-add a column, cols u S;
/// activations rounded to bf16, 8 significant bits, are off by 2^-8 of them.
static void check_f64(const problem *p, const char *what) {
    const size_t keep = edge_count;
    float *weights = edge_floats(p->rows * p->cols);
    double *magnitudes = edge_alloc(p->rows * p->cols * sizeof(double));
    double *decoded = edge_alloc(p->cols * sizeof(double)), *half_step = edge_alloc(p->cols * sizeof(double));
    decode_weights(p, weights, magnitudes);
    const bool is_float = is_float_type(p->quant);
    const double terms = is_float ? (double)p->cols : (double)(p->cols / 32) * facts_of(p->quant)->scales_a_tile + 6;
    const apus_act_format format = apus_quant_act_format(p->quant);
    void *acts = edge_alloc(apus_acts_bytes(format, 1, p->cols));
    for (size_t t = 0; t < p->tokens; t++) {
        const float *x = p->x + t * p->cols;
        apus_acts_pack(format, acts, x, 1, p->cols);
        for (size_t c = 0; c < p->cols; c++) {
            decoded[c] = (double)x[c];
            half_step[c] = 0;
            if (format == APUS_ACT_BF16) {
                decoded[c] = (double)packed_bf16(acts, 1, p->cols, 0, c);
                half_step[c] = fabs((double)x[c]) * 0x1p-8;
            }
            if (is_float) continue;
            const packed_block b = packed_q8(acts, 1, p->cols, 0, c / 32);
            decoded[c] = (double)b.q[c % 32] * (double)b.scale;
            half_step[c] = (double)b.scale / 2 * (1 + 1024 * U); // see test_ops.c, quantizing
        }
        for (size_t r = 0; r < p->rows; r++) {
            double sum = 0, exact = 0, magnitude = 0, step = 0;
            for (size_t c = 0; c < p->cols; c++) {
                const double w = (double)weights[r * p->cols + c], m = magnitudes[r * p->cols + c];
                sum += w * decoded[c];
                exact += w * (double)x[c];
                magnitude += m * fabs(decoded[c]);
                step += fabs(w) * half_step[c];
            }
            const double bound = 1.01 * terms * U * magnitude + 1e-40, got = (double)p->reference[t * p->rows + r];
            check(fabs(got - sum) <= bound, "%s %s, %zu x %zu, token %zu row %zu: %.9g, f64 says %.9g +- %.2g",
                  apus_quant_name(p->quant), what, p->rows, p->cols, t, r, got, sum, bound);
            check(fabs(got - exact) <= bound + step, "%s %s, %zu x %zu, token %zu row %zu: %.9g, exact is %.9g +- %.2g",
                  apus_quant_name(p->quant), what, p->rows, p->cols, t, r, got, exact, bound + step);
        }
    }
    edge_release(keep);
}

/// Every size at a few numbers of tokens, one size at all of them.
static void test_sizes(const apus_quant *quant) {
    static const size_t float_cols[] = {1, 2, 3, 7, 16, 33, 100, 300};
    static const size_t integer_cols[] = {1, 2, 3, 5, 11}; // blocks
    static const size_t rows[] = {1, 15, 16, 17, 33, 50, 65};
    static const size_t few[] = {1, 2, 5, 8, 9, 12, 13, 24, 25};
    const bool is_float = is_float_type(quant), small = test_small();
    const size_t block = apus_quant_block(quant);
    const size_t n_cols = is_float       ? sizeof float_cols / sizeof *float_cols
                          : block >= 256 ? 3
                                         : sizeof integer_cols / sizeof *integer_cols;
    for (size_t c = 0; c < n_cols; c++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            const size_t keep = edge_count, cols = is_float ? float_cols[c] : integer_cols[c] * block;
            const bool all = c == n_cols - 1 && rows[r] == 65;
            if (small && !all && (c + r) % 4 != 0) continue;
            const problem p = make_problem(quant, rows[r], cols, all || rows[r] == 17 ? MAX_TOKENS : 25, false);
            if (all)
                for (size_t n = 1; n <= 36; n += small ? 4 : 1) check_tokens(&p, n, "random");
            else
                for (size_t n = 0; n < sizeof few / sizeof *few; n++)
                    if (!small || (n + r) % 3 == 0) check_tokens(&p, few[n], "random");
            if (p.tokens == MAX_TOKENS && (!small || all)) check_tokens(&p, MAX_TOKENS, "random");
            check_f64(&p, "random");
            edge_release(keep);
        }
    }
}

/// The largest magnitudes that the integers can take: all codes alike, all activations +-127.
static void test_extremes(const apus_quant *quant) {
    static const uint8_t codes[] = {0x00, 0xff, 0x80, 0x7f, 0x0f, 0xf0, 0x88};
    if (is_float_type(quant)) return;
    const type_facts *facts = facts_of(quant);
    const size_t rows = 17, tokens = 16, cols = 2 * (apus_quant_block(quant) > 32 ? apus_quant_block(quant) : 64);
    for (size_t i = 0; i < sizeof codes; i++) {
        const size_t keep = edge_count;
        problem p = {.quant = quant, .rows = rows, .cols = cols, .tokens = tokens};
        const size_t bytes = file_bytes(quant, rows * cols);
        p.file = edge_alloc(bytes);
        memset(p.file, codes[i], bytes);
        const uint16_t one = half_of(1.0f);
        for (size_t b = 0; b < bytes / apus_quant_block_bytes(quant); b++) {
            uint8_t *block = p.file + b * apus_quant_block_bytes(quant);
            for (int j = 0; j < 2; j++)
                if (facts->halves[j] >= 0) memcpy(block + facts->halves[j], &one, 2);
            if (facts->exponent >= 0) block[facts->exponent] = 127;
        }
        p.x = edge_floats(tokens * cols);
        for (size_t t = 0; t < tokens; t++) // all +, all -, changing at each, at each second, at each fourth … value
            for (size_t c = 0; c < cols; c++)
                p.x[t * cols + c] = t < 2 ? (t == 0 ? 1.0f : -1.0f) : (c >> (t - 2) / 2 & 1) == t % 2 ? 1.0f : -1.0f;
        prepare(&p);
        check_tokens(&p, 1, "extreme");
        check_tokens(&p, 8, "extreme");
        check_tokens(&p, 16, "extreme");
        check_f64(&p, "extreme");
        edge_release(keep);
    }
}

/// Random bytes as weights, and activations with NaN, infinities and zeros: the same answers, and no trap.
static void test_wild(const apus_quant *quant) {
    const size_t cols = is_float_type(quant) ? 70 : 2 * (apus_quant_block(quant) > 32 ? apus_quant_block(quant) : 96);
    for (int i = 0; i < (test_small() ? 2 : 6); i++) {
        const size_t keep = edge_count;
        problem p = make_problem(quant, 40, cols, 20, true);
        for (size_t n = 1; n <= 20; n += 6) check_tokens(&p, n, "wild weights");
        for (size_t t = 0; t < p.tokens; t++) {
            float *x = p.x + t * cols;
            if (t % 6 == 1) memset(x, 0, cols * sizeof(float));
            if (t % 6 == 2) x[random_below(cols)] = float_of(0x7fc00000);
            if (t % 6 == 3) x[random_below(cols)] = float_of(0x7f800000);
            if (t % 6 == 4)
                for (size_t c = 0; c < cols; c++) x[c] *= 1e-38f;
            if (t % 6 == 5)
                for (size_t c = 0; c < cols; c++) x[c] *= 8e37f;
        }
        random_weights(quant, p.file, p.rows * cols, i % 2 == 1);
        prepare(&p);
        for (size_t n = 1; n <= 20; n += 6) check_tokens(&p, n, "wild activations");
        if (i % 2 == 0) {
            for (size_t t = 2; t < p.tokens; t += 6)
                for (size_t r = 0; r < p.rows; r++)
                    check(isnan(p.reference[t * p.rows + r]), "%s: a NaN activation is lost in row %zu",
                          apus_quant_name(quant), r);
            for (size_t t = 3; t < p.tokens; t += 6)
                for (size_t r = 0; r < p.rows; r++)
                    check(!isfinite(p.reference[t * p.rows + r]), "%s: an infinite activation is lost in row %zu",
                          apus_quant_name(quant), r);
            for (size_t t = 1; t < p.tokens; t += 6)
                for (size_t r = 0; r < p.rows; r++)
                    check(p.reference[t * p.rows + r] == 0, "%s: zeros give %g in row %zu", apus_quant_name(quant),
                          (double)p.reference[t * p.rows + r], r);
        }
        edge_release(keep);
    }
}

/// BF16 beside the edges of its products (quants/bf16.c): weights around 2^-63, activations around 2^-49, whose
/// products are around the smallest normal number, terms that cancel, and every exponent there is. Sums are never
/// subnormal.
static void test_small_products(const apus_quant *quant) {
    if (apus_quant_act_format(quant) != APUS_ACT_BF16) return;
    enum { rows = 19, cols = 41, tokens = 13 };
    for (int round = 0; round < (test_small() ? 4 : 24); round++) {
        const size_t keep = edge_count;
        problem p = {.quant = quant, .rows = rows, .cols = cols, .tokens = tokens};
        uint16_t *file = edge_alloc(rows * cols * 2);
        p.file = (uint8_t *)file;
        p.x = edge_floats(tokens * cols);
        const bool all = round % 4 == 3; // any exponent but that of infinities
        for (size_t i = 0; i < rows * cols; i++) {
            const uint16_t exponent = (uint16_t)(all ? random_below(255) : 63 + random_below(3));
            file[i] = (uint16_t)(random_bits() >> 48 & 0x807f) | (uint16_t)(exponent << 7);
        }
        for (size_t i = 0; i < tokens * cols; i++) {
            const uint32_t exponent = (uint32_t)(all ? random_below(255) : 77 + random_below(3));
            p.x[i] = float_of((uint32_t)(random_bits() >> 32 & 0x807fffff) | exponent << 23);
        }
        if (round % 4 == 1) // each pair of columns cancels, up to a last bit in one row of four
            for (size_t r = 0; r < rows; r++)
                for (size_t c = 1; c < cols; c += 2)
                    file[r * cols + c] = (uint16_t)(file[r * cols + c - 1] ^ 0x8000 ^ (r % 4 == 0));
        if (round % 4 == 1)
            for (size_t t = 0; t < tokens; t++)
                for (size_t c = 1; c < cols; c += 2) p.x[t * cols + c] = p.x[t * cols + c - 1];
        prepare(&p);
        for (size_t n = 1; n <= tokens; n += 4) check_tokens(&p, n, all ? "any exponents" : "small products");
        long zeros = 0, others = 0;
        for (size_t t = 0; t < tokens; t++) {
            for (size_t r = 0; r < rows; r++) {
                // Exact where not all exponents occur: 41 multiples of 2^-126 below 2^-108 fit an f64.
                double sum = 0;
                for (size_t c = 0; c < cols; c++) {
                    const double w = (double)float_of((uint32_t)file[r * cols + c] << 16);
                    const double a = (double)bf16_of(p.x[t * cols + c]);
                    sum += (fabs(w) < 0x1p-63 ? 0 : w) * (fabs(a) < 0x1p-49 ? 0 : a);
                }
                const float got = p.reference[t * rows + r];
                check(got == 0 || !(fabsf(got) < 0x1p-126f), "BF16: the sum %a is subnormal", (double)got);
                // Below 2^-102 every multiple of 2^-126 is an f32, so nothing is rounded.
                if (!all) check((double)got == sum, "BF16: small products add up to %a, not %a", (double)got, sum);
                zeros += got == 0;
                others += got != 0;
            }
        }
        if (round % 4 == 1) check(zeros > 0 && others > 0, "BF16: %ld sums of terms that cancel are zero", zeros);
        edge_release(keep);
    }
}

/// With both planes the activations are off by half a step of the second: 1 / 254 of a step of the first.
static void check_fine(const problem *first, const problem *second) {
    const size_t keep = edge_count;
    float *weights = edge_floats(first->rows * first->cols);
    double *magnitudes = edge_alloc(first->rows * first->cols * sizeof(double));
    decode_weights(first, weights, magnitudes);
    const double terms = (double)(first->cols / 32) * facts_of(first->quant)->scales_a_tile + 8;
    for (size_t t = 0; t < first->tokens; t++) {
        for (size_t r = 0; r < first->rows; r++) {
            double exact = 0, magnitude = 0, step = 0;
            for (size_t c = 0; c < first->cols; c++) {
                float largest = 0;
                for (size_t i = c / 32 * 32; i < c / 32 * 32 + 32; i++)
                    largest = fmaxf(largest, fabsf(first->x[t * first->cols + i]));
                exact += (double)weights[r * first->cols + c] * (double)first->x[t * first->cols + c];
                magnitude += magnitudes[r * first->cols + c] * 1.01 * (double)largest;
                step += fabs((double)weights[r * first->cols + c]) * (double)largest / 127 / 254 / 2;
            }
            const size_t at = t * first->rows + r;
            const double got = (double)first->reference[at] + (double)second->reference[at];
            const double bound = 1.01 * (terms * U * magnitude + step);
            check(fabs(got - exact) <= bound, "%s, two planes: %.9g, exact is %.9g +- %.2g",
                  apus_quant_name(first->quant), got, exact, bound);
        }
    }
    edge_release(keep);
}

/// Several products of one input, biases, adding to the output, gaps between tokens, a second plane of activations, a
/// step in which only some tokens' logits are wanted, and several threads: all from what a plain product gives.
static void test_outputs(const apus_quant *quant) {
    const size_t keep = edge_count, cols = is_float_type(quant) ? 45 : apus_quant_block(quant);
    const apus_act_format format = apus_quant_act_format(quant);
    enum { n = 13, n_products = 3 };
    static const size_t rows[n_products] = {20, 16, 5}, gaps[n_products] = {0, 3, 40};
    problem p[n_products];
    float *x = edge_floats(n * cols), *bias = edge_floats(20);
    random_floats(x, n * cols);
    random_floats(bias, 20);
    void *acts = edge_alloc(apus_acts_bytes(format, n, cols));
    apus_op op = {.kind = APUS_OP_matmul, .matmul = {.in = acts_of(format, acts), .n_products = n_products}};
    float *rest = x; // what the first plane leaves
    if (format == APUS_ACT_Q8) {
        rest = edge_floats(n * cols);
        apus_acts_pack(format, acts, x, n, cols);
        packed_rest(rest, x, acts, n, cols);
        op.matmul.in.q8_rest = edge_alloc(apus_acts_bytes(format, n, cols));
        apus_acts_pack(format, op.matmul.in.q8_rest, rest, n, cols);
    }
    problem second = {0}; // the last product, with the rest
    for (size_t i = 0; i < n_products; i++) {
        p[i] = make_problem(quant, rows[i], cols, n, false);
        p[i].x = x;
        prepare(&p[i]);
        second = p[i];
    }
    second.x = rest;
    prepare(&second);
    const bool fine = format == APUS_ACT_Q8;
    if (fine) check_fine(&p[2], &second);
    FOR_EACH_ISA(isa) {
        apus_acts_pack(format, acts, x, n, cols); // again: the form is the variant's
        for (int threads = 1; threads <= 3; threads++) {
            for (int logits = 0; logits < 2; logits++) {
                const size_t inner = edge_count;
                for (size_t i = 0; i < n_products; i++) {
                    const size_t ld = rows[i] + gaps[i];
                    op.matmul.products[i] = (apus_product){.weights = p[i].weights,
                                                           .bias = i != 1 ? bias : NULL,
                                                           .out = edge_floats(n * ld - gaps[i]),
                                                           .ld = (uint32_t)ld,
                                                           .accumulate = i != 0,
                                                           .fine = i == 2};
                    for (size_t at = 0; at < n * ld - gaps[i]; at++) op.matmul.products[i].out[at] = (float)at;
                }
                op.matmul.rows = logits ? APUS_ROWS_LOGITS : APUS_ROWS_TOKENS;
                // 20 tokens, of which 13 have logits: the activations hold the 13.
                run_ops(&op, 1, &(apus_step){.n_tokens = logits ? 20 : n, .n_logits = logits ? n : 4}, threads);
                for (size_t i = 0; i < n_products; i++) {
                    const size_t ld = rows[i] + gaps[i];
                    bool ok = true;
                    for (size_t at = 0; at < n * ld - gaps[i]; at++) {
                        float wanted = (float)at;
                        if (at % ld < rows[i]) {
                            float value = p[i].reference[at / ld * rows[i] + at % ld];
                            if (i == 2 && fine) value += second.reference[at / ld * rows[i] + at % ld];
                            if (i != 1) value += bias[at % ld];
                            wanted = i == 0 ? value : wanted + value;
                        }
                        ok = ok && same_float(wanted, op.matmul.products[i].out[at]);
                    }
                    check(ok, "%s %s: product %zu of 3 differs, %d threads", apus_quant_name(quant),
                          apus_isa_name((apus_isa)isa), i, threads);
                }
                edge_release(inner);
            }
        }
    }
    edge_release(keep);
}

int main(void) {
    for (size_t i = 0; apus_quant_at(i) != NULL; i++) {
        const apus_quant *quant = apus_quant_at(i);
        random_state = i + 1;
        test_sizes(quant);
        test_extremes(quant);
        test_wild(quant);
        test_small_products(quant);
        test_outputs(quant);
    }
    return test_finish();
}
