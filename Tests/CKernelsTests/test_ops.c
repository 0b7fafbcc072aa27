// Packing and quantizing activations, RMSNorm with what is fused to it, the gated feed-forward's first half, embedding
// lookup, and bounded logits: each variant against the portable one, that against f64 within derived bounds.
#include "acts.h"
#include "types.h"

// ---------------------------------------------------------------------------------------------------------------
// Packing

/// q = round(x * 127 / L), L = max |x|. x * (127 / L) is off by 2 u of at most 127, the rounding by 1/2, and the scale
/// L / 127 by u: |x - q * scale| <= scale (1/2 + 3 * 127 u), which is less than scale / 2 * (1 + 1024 u). Blocks below
/// 1e-35 count as zeros.
static void check_block(const packed_block *b, const float *x, const char *what) {
    float largest = 0;
    int sums[2] = {0, 0}, most = 0;
    for (int i = 0; i < 32; i++) {
        largest = fmaxf(largest, fabsf(x[i]));
        sums[i / 16] += b->q[i];
        most = abs(b->q[i]) > most ? abs(b->q[i]) : most;
    }
    check(b->scale == largest / 127.0f, "%s: scale %a of largest %a", what, (double)b->scale, (double)largest);
    check(b->starts[0] == -32 * (sums[0] + sums[1]) && b->starts[1] == -32 * sums[0], "%s: starts %d %d of sums %d %d",
          what, b->starts[0], b->starts[1], sums[0], sums[1]);
    check(same_float(b->scaled_sum, b->scale * (float)(sums[0] + sums[1])), "%s: scaled sum %a", what,
          (double)b->scaled_sum);
    check(most == (largest > 1e-35f ? 127 : 0), "%s: largest int8 %d of largest %a", what, most, (double)largest);
    for (int i = 0; i < 32; i++) {
        const double bound = largest > 1e-35f ? (double)b->scale / 2 * (1 + 1024 * U) : 1e-35;
        check(fabs((double)x[i] - (double)b->q[i] * (double)b->scale) <= bound, "%s: %a is %d at scale %a", what,
              (double)x[i], b->q[i], (double)b->scale);
    }
}

static void test_packing(void) {
    static const float sizes[] = {1.0f, 1e-30f, 3e-36f, 1e-38f, 1e-43f, 3e37f, 65504.0f};
    const size_t cols = 7 * 32;
    for (size_t tokens = 1; tokens <= 37; tokens += test_small() ? 6 : 1) {
        const size_t keep = edge_count, q8_bytes = apus_acts_bytes(APUS_ACT_Q8, tokens, cols);
        float *x = edge_floats(tokens * cols);
        for (size_t t = 0; t < tokens; t++)
            for (size_t block = 0; block < 7; block++) {
                float *to = x + t * cols + block * 32;
                random_floats(to, 32);
                for (size_t i = 0; i < 32; i++) to[i] *= sizes[(t + block) % 7];
                if (block == 3) memset(to, 0, 32 * sizeof(float));
                if (block == 4) // ties of rounding, and the largest float
                    for (size_t i = 0; i < 32; i++) to[i] = i == 0 ? 127.0f : (float)i - 16.5f;
                if (block == 5 && t % 2 == 0) to[t % 32] = -0x1.fffffep127f;
            }
        void *first = edge_alloc(q8_bytes);
        FOR_EACH_ISA(isa) {
            void *q8 = isa == APUS_ISA_PORTABLE ? first : edge_alloc(q8_bytes);
            apus_acts_pack(APUS_ACT_Q8, q8, x, tokens, cols);
            check(memcmp(q8, first, q8_bytes) == 0, "%s: packing of %zu tokens differs", apus_isa_name((apus_isa)isa),
                  tokens);
            for (size_t n = 1; n < 80; n += 13) { // any number of columns
                const size_t bytes = apus_acts_bytes(APUS_ACT_F32, tokens, n);
                void *f32 = edge_alloc(bytes);
                apus_acts_pack(APUS_ACT_F32, f32, x, tokens, n);
                bool same = bytes == tokens * n * sizeof(float);
                for (size_t t = 0; t < tokens; t++)
                    for (size_t c = 0; c < n; c++)
                        same = same && same_float(packed_f32(f32, tokens, n, t, c), x[t * n + c]);
                check(same, "%s: f32 packing of %zu x %zu loses something", apus_isa_name((apus_isa)isa), tokens, n);
                void *bf16 = edge_alloc(apus_acts_bytes(APUS_ACT_BF16, tokens, n));
                apus_acts_pack(APUS_ACT_BF16, bf16, x, tokens, n);
                check_bf16(bf16, f32, tokens, n, "packing");
            }
        }
        for (size_t t = 0; t < tokens; t++)
            for (size_t block = 0; block < 7; block++) {
                const packed_block b = packed_q8(first, tokens, cols, t, block);
                check_block(&b, x + t * cols + block * 32, "packed");
            }
        edge_release(keep);
    }
    // A NaN or an infinity is carried on by the scale.
    float x[32], packed[12];
    FOR_EACH_ISA(isa) {
        for (int i = 0; i < 64; i++) {
            random_floats(x, 32);
            x[i % 32] = i < 32 ? NAN : i % 2 == 0 ? INFINITY : -INFINITY;
            apus_acts_pack(APUS_ACT_Q8, packed, x, 1, 32);
            check(i < 32 ? isnan(packed[8]) : isinf(packed[8]), "%s: the scale of a block with %g is %g",
                  apus_isa_name((apus_isa)isa), (double)x[i % 32], (double)packed[8]);
        }
    }
}

/// The same bits as in `first`, and quantized forms that fit.
static void check_outputs(const apus_acts *out, const apus_acts *first, size_t tokens, size_t cols, const char *what) {
    check(first_difference(out->f32, first->f32, tokens * cols) == tokens * cols, "%s, %s: %zu x %zu differ", what,
          apus_isa_name(apus_isa_active()), tokens, cols);
    check_quantized(out, tokens, cols, what);
}

// ---------------------------------------------------------------------------------------------------------------
// RMSNorm

typedef struct norm_case {
    size_t dim, tokens;
    bool delta, post, weight, logits;
    float size;
} norm_case;

/// Relative error of 1 / sqrt(mean + eps): the sum of squares runs over 64 partial sums and 6 additions, then a
/// quotient and eps; half of that by the root; root and quotient.
static double norm_error(size_t dim) { return 1.01 * (((double)(dim / 64) + 1 + 6 + 2) / 2 + 2) * U; }

static double inverse_rms(const float *x, size_t dim, double eps) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)x[i] * (double)x[i];
    return 1 / sqrt(sum / (double)dim + eps);
}

/// A step of 20 tokens; with `logits`, only those at logit_tokens.
static void check_norm(const norm_case *c) {
    static const int32_t logit_tokens[] = {0, 3, 4, 11, 19};
    const size_t keep = edge_count, dim = c->dim, n = c->tokens, rows = c->logits ? 5 : n;
    const float eps = 0x1p-17f;
    float *start = edge_floats(n * dim), *delta = edge_floats(n * dim), *post = edge_floats(dim);
    float *weight = edge_floats(dim), *after = edge_floats(n * dim);
    random_floats(start, n * dim);
    random_floats(delta, n * dim);
    random_floats(post, dim);
    random_floats(weight, dim);
    for (size_t i = 0; i < n * dim; i++) start[i] *= c->size;
    const apus_step step = {
        .n_tokens = (int32_t)n, .n_logits = c->logits ? 5 : 0, .logit_tokens = c->logits ? logit_tokens : NULL};
    apus_acts first = {0};
    FOR_EACH_ISA(isa) {
        float *x = isa == APUS_ISA_PORTABLE ? after : edge_floats(n * dim);
        memcpy(x, start, n * dim * sizeof(float));
        const apus_acts out = make_outputs(rows, dim);
        if (isa == APUS_ISA_PORTABLE) first = out;
        const apus_op op = {.kind = APUS_OP_rmsnorm,
                            .rmsnorm = {.x = x,
                                        .delta = c->delta ? delta : NULL,
                                        .post_weight = c->post ? post : NULL,
                                        .weight = c->weight ? weight : NULL,
                                        .out = out,
                                        .dim = (uint32_t)dim,
                                        .eps = eps,
                                        .rows = c->logits ? APUS_ROWS_LOGITS : APUS_ROWS_TOKENS}};
        run_ops(&op, 1, &step, 1 + isa % 2);
        check(first_difference(x, after, n * dim) == n * dim, "norm, %s: x of %zu x %zu differs",
              apus_isa_name((apus_isa)isa), n, dim);
        if (c->weight) check_outputs(&out, &first, rows, dim, "norm");
    }
    size_t row = 0;
    for (size_t t = 0; t < n; t++) {
        const bool used = !c->logits || (row < rows && (size_t)logit_tokens[row] == t);
        const double post_scale = inverse_rms(delta + t * dim, dim, (double)eps);
        for (size_t i = t * dim; i < (t + 1) * dim; i++) { // the residual sum
            const double scaled = (double)delta[i] * post_scale * (double)post[i % dim];
            if (!used || !c->delta)
                check(bits_of(after[i]) == bits_of(start[i]), "norm: x of token %zu is not left alone", t);
            else if (!c->post)
                check(bits_of(after[i]) == bits_of(start[i] + delta[i]), "norm: x + delta of token %zu", t);
            else
                check(fabs((double)after[i] - ((double)start[i] + scaled)) <=
                          1.01 * ((norm_error(dim) + 2 * U) * fabs(scaled) + U * fabs((double)start[i] + scaled)),
                      "norm: x of token %zu is %.9g, wanted %.9g", t, (double)after[i], (double)start[i] + scaled);
        }
        if (!used) continue;
        const double scale = inverse_rms(after + t * dim, dim, (double)eps);
        for (size_t i = 0; i < dim && c->weight; i++) {
            const double wanted = (double)after[t * dim + i] * scale * (double)weight[i];
            const double got = (double)packed_f32(first.f32, rows, dim, row, i);
            check(fabs(got - wanted) <= (norm_error(dim) + 2.1 * U) * fabs(wanted) + 0x1p-148,
                  "norm of %zu: token %zu value %zu is %.9g, wanted %.9g", dim, t, i, got, wanted);
        }
        row++;
    }
    edge_release(keep);
}

static void test_norm(void) {
    for (size_t dim = 1; dim <= 200; dim += test_small() ? 7 : 1) {
        check_norm(&(norm_case){dim, 1 + dim % 14, dim % 2 == 1, dim % 4 == 1, true, false, 1});
        check_norm(&(norm_case){dim, 20, dim % 3 == 0, dim % 3 == 0 && dim % 2 == 0, true, true, 1});
    }
    for (size_t dim = 32; dim <= 2048; dim *= 4) {
        check_norm(&(norm_case){dim, 13, true, false, true, false, 1});
        check_norm(&(norm_case){dim + 32, 25, true, true, true, false, 100});
        check_norm(&(norm_case){dim + 64, 20, true, true, true, true, 1e-3f});
        check_norm(&(norm_case){dim, 20, true, dim % 128 == 0, false, dim > 32, 1}); // only the update
    }
    check_norm(&(norm_case){576, 3, false, false, true, false, 0});      // zeros
    check_norm(&(norm_case){576, 3, false, false, true, false, 1e-20f}); // squares vanish beside eps
    check_norm(&(norm_case){576, 3, true, false, true, false, 1e15f});
}

// ---------------------------------------------------------------------------------------------------------------
// The gated feed-forward

/// activation(gate) * up and its bound; see test_math.c for the activations' own.
static double gated(const apus_glu *op, double gate, double up, double *bound) {
    const double y = 2 * sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate);
    const double z = op->activation == APUS_SILU ? gate : y, sigmoid = 1 / (1 + exp(-z));
    const double exponent = 2e-7 + 10.2 * U * fabs(z), wanted = gate * sigmoid * up;
    *bound = fabs(up) * fabs(gate) * (op->activation == APUS_SILU ? sigmoid : 1 - sigmoid) * (exponent + 3 * U) +
             2.1 * U * fabs(wanted) + 1e-36 * fabs(up);
    return wanted;
}

/// `in_turns`: gate and up are one stretch of memory, where their tiles take turns.
static void check_glu(const apus_quant *quant, size_t cols, size_t hidden, size_t tokens, bool bias, bool in_turns,
                      apus_activation activation) {
    const size_t keep = edge_count, values = hidden * cols;
    const apus_act_format format = apus_quant_act_format(quant);
    uint8_t *file = edge_alloc(file_bytes(quant, values));
    apus_weights alone[2], weights[2];
    uint8_t *both = edge_alloc(2 * apus_weights_bytes(quant, hidden, cols));
    for (size_t i = 0; i < 2; i++) {
        random_weights(quant, file, values, false);
        alone[i] = weights[i] = packed_weights(quant, file, hidden, cols);
        if (!in_turns) continue;
        weights[i].tiles = both + i * apus_quant_tile_bytes(quant, cols);
        weights[i].stride = 2;
        apus_weights_pack(&weights[i], file, 0, hidden);
    }
    float *rows[2] = {edge_floats(cols), edge_floats(cols)};
    for (size_t i = 0; i < 2; i++) {
        apus_weights_decode_row(&alone[i], hidden - 1, rows[0]);
        apus_weights_decode_row(&weights[i], hidden - 1, rows[1]);
        check(first_difference(rows[0], rows[1], cols) == cols, "row %zu of %s decoded", hidden - 1,
              apus_quant_name(quant));
    }
    float *x = edge_floats(tokens * cols), *biases = edge_floats(2 * hidden);
    random_floats(x, tokens * cols);
    random_floats(biases, 2 * hidden);
    void *acts = edge_alloc(apus_acts_bytes(format, tokens, cols));
    const apus_acts in = acts_of(format, acts);
    const apus_step step = {.n_tokens = (int32_t)tokens};
    apus_op glu = {.kind = APUS_OP_glu,
                   .glu = {.in = in,
                           .gate = weights[0],
                           .up = weights[1],
                           .gate_bias = bias ? biases : NULL,
                           .up_bias = bias ? biases + hidden : NULL,
                           .activation = activation}};
    apus_acts first = {0};
    float *products = edge_floats(2 * tokens * hidden); // gate and up of a token side by side
    FOR_EACH_ISA(isa) {
        apus_acts_pack(format, acts, x, tokens, cols);
        glu.glu.out = make_outputs(tokens, hidden);
        run_ops(&glu, 1, &step, 1 + isa % 3);
        if (isa == APUS_ISA_PORTABLE) {
            first = glu.glu.out;
            apus_op matmul = {.kind = APUS_OP_matmul, .matmul = {.in = in, .n_products = 2}};
            for (size_t i = 0; i < 2; i++)
                matmul.matmul.products[i] = (apus_product){.weights = alone[i],
                                                           .bias = bias ? biases + i * hidden : NULL,
                                                           .out = products + i * hidden,
                                                           .ld = (uint32_t)(2 * hidden)};
            run_ops(&matmul, 1, &step, 1);
        }
        check_outputs(&glu.glu.out, &first, tokens, hidden, "glu");
        if (isa != APUS_ISA_AVX512VNNI) continue;
        const bool shares = apus_isa_use_sharing(true);
        apus_isa_use_sharing(!shares);
        glu.glu.out = make_outputs(tokens, hidden);
        run_ops(&glu, 1, &step, 2);
        check_outputs(&glu.glu.out, &first, tokens, hidden, shares ? "glu without sharing" : "glu with sharing");
        apus_isa_use_sharing(shares);
    }
    for (size_t t = 0; t < tokens; t++) {
        for (size_t i = 0; i < hidden; i++) {
            double bound;
            const float *row = products + t * 2 * hidden;
            const double wanted = gated(&glu.glu, (double)row[i], (double)row[hidden + i], &bound);
            const double got = (double)packed_f32(first.f32, tokens, hidden, t, i);
            check(fabs(got - wanted) <= bound, "glu of %s, %zu x %zu, token %zu: unit %zu is %.9g, wanted %.9g +- %.2g",
                  apus_quant_name(quant), hidden, cols, t, i, got, wanted, bound);
        }
    }
    edge_release(keep);
}

static void test_glu(void) {
    static const size_t hidden[] = {1, 15, 16, 17, 31, 32, 33, 47, 48, 64, 96, 160};
    const size_t n = sizeof hidden / sizeof *hidden;
    for (size_t type = 0; apus_quant_at(type) != NULL; type++) {
        const apus_quant *quant = apus_quant_at(type);
        const size_t cols = is_float_type(quant) ? 37 : apus_quant_block(quant);
        for (size_t i = 0; i < n; i++) {
            if (test_small() && (i + type) % 6 != 0) continue;
            const apus_activation activation = (i + type) % 2 == 0 ? APUS_SILU : APUS_GELU_TANH;
            check_glu(quant, cols, hidden[i], 1 + (i * 5 + type) % 14, i % 3 != 0, i % 4 < 2, activation);
        }
        check_glu(quant, cols, 64, 1, false, true, APUS_SILU);
        check_glu(quant, cols, 64, 26, true, true, APUS_GELU_TANH);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Embedding lookup

static void test_embed(void) {
    for (size_t type = 0; apus_quant_at(type) != NULL; type++) {
        const apus_quant *quant = apus_quant_at(type);
        const size_t keep = edge_count, rows = 37, cols = 3 * apus_quant_block(quant);
        static const int32_t tokens[] = {0, 36, 1, 15, 16, 17, 31, 32, 36, 36, 0};
        const size_t n = sizeof tokens / sizeof *tokens;
        uint8_t *file = edge_alloc(file_bytes(quant, rows * cols));
        random_weights(quant, file, rows * cols, false);
        float *decoded = edge_floats(rows * cols), *x = edge_floats(n * cols);
        apus_quant_decode(quant, file, decoded, rows * cols);
        apus_op op = {.kind = APUS_OP_embed, .embed = {.table = packed_weights(quant, file, rows, cols), .x = x}};
        const apus_step step = {.n_tokens = (int32_t)n, .tokens = tokens};
        FOR_EACH_ISA(isa) {
            for (int scaled = 0; scaled < 2; scaled++) {
                op.embed.scale = scaled ? 25.25f : 1.0f;
                memset(x, 255, n * cols * sizeof(float));
                run_ops(&op, 1, &step, 1 + isa % 3);
                bool same = true;
                for (size_t i = 0; i < n * cols; i++) {
                    const float value = decoded[(size_t)tokens[i / cols] * cols + i % cols];
                    same = same && same_float(x[i], scaled ? value * 25.25f : value);
                }
                check(same, "embedding of %s, %s, scale %g", apus_quant_name(quant), apus_isa_name((apus_isa)isa),
                      (double)op.embed.scale);
            }
        }
        edge_release(keep);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Bounded logits

/// 1 - 2 / (e + 1), e = exp(2y), absolutely. y is off by 2.1 u, e by 2.1 u |2y| + 2e-7 (test_math.c), relatively both;
/// the derivative by ln e is 2e / (e + 1)^2, at most 1/2, and times |2y| at most 0.45; sum, quotient, difference and
/// the product with cap are off by u each, of 1 at the most but for the quotient's 2.
static void test_softcap(void) {
    const double bound = 0.45 * (2.1 + 2.1) * U + 0.5 * 2e-7 + 6 * U;
    static const size_t sizes[] = {1, 15, 16, 17, 203, 4095, 4096, 4097, 9000};
    static const float caps[] = {30.0f, 1.0f, 0.25f, 50.0f};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t keep = edge_count, n = sizes[i], rows = 1 + i % 3, all = n * rows;
        const float cap = caps[i % 4];
        float *x = edge_floats(all), *first = edge_floats(all), *y = edge_floats(all);
        random_floats(x, all);
        for (size_t j = 0; j < all; j++) x[j] *= cap * (j % 5 == 0 ? 100.0f : j % 5 == 1 ? 1e-4f : 1.0f);
        const float special[] = {INFINITY, -INFINITY, NAN, 0.0f, 3e38f, -3e38f};
        for (size_t j = 0; j < 6 && j * 3 < all; j++) x[j * 3] = special[j];
        const apus_op op = {.kind = APUS_OP_softcap, .softcap = {.x = y, .n = (uint32_t)n, .cap = cap}};
        const apus_step step = {.n_tokens = (int32_t)rows, .n_logits = (int32_t)rows};
        FOR_EACH_ISA(isa) {
            memcpy(y, x, all * sizeof(float));
            run_ops(&op, 1, &step, 1 + isa % 3);
            if (isa == APUS_ISA_PORTABLE) memcpy(first, y, all * sizeof(float));
            check(first_difference(y, first, all) == all, "softcap, %s: %zu x %zu differ", apus_isa_name((apus_isa)isa),
                  rows, n);
        }
        for (size_t j = 0; j < all; j++) {
            const double wanted = (double)cap * tanh((double)x[j] / (double)cap);
            const bool ok = isnan(wanted) ? isnan(first[j]) : fabs((double)first[j] - wanted) <= (double)cap * bound;
            check(ok, "softcap %g of %.9g is %.9g, wanted %.9g +- %.2g", (double)cap, (double)x[j], (double)first[j],
                  wanted, (double)cap * bound);
        }
        edge_release(keep);
    }
}

/// Rounding to bf16: both sides of every tie and of every number, the edge of the small ones, infinities, NaN.
static void test_bf16(void) {
    const size_t keep = edge_count, cols = 1 << 10;
    float *x = edge_floats(cols);
    void *f32 = edge_alloc(apus_acts_bytes(APUS_ACT_F32, 1, cols));
    void *bf16 = edge_alloc(apus_acts_bytes(APUS_ACT_BF16, 1, cols));
    static const uint32_t rests[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (uint32_t upper = 0; upper < 1 << 16; upper += test_small() ? 7 * (uint32_t)cols : (uint32_t)cols) {
        for (size_t rest = 0; rest < sizeof rests / sizeof *rests; rest++) {
            for (uint32_t i = 0; i < cols; i++) x[i] = float_of((upper + i) << 16 | rests[rest]);
            FOR_EACH_ISA(isa) {
                apus_acts_pack(APUS_ACT_F32, f32, x, 1, cols);
                apus_acts_pack(APUS_ACT_BF16, bf16, x, 1, cols);
                check_bf16(bf16, f32, 1, cols, "rounding");
            }
        }
    }
    edge_release(keep);
}

int main(void) {
    test_packing();
    test_bf16();
    test_norm();
    test_glu();
    test_embed();
    test_softcap();
    return test_finish();
}
