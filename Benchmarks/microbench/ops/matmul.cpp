// Matrix products: every weight type, the products of the models' layers. Rows are outputs (n), columns inputs (k).
#include "ops.h"

#include <cstring>

namespace microbench {

namespace {

Work prepare(const apus_quant *quant, size_t m, size_t n, size_t k, bool fine, int threads) {
    const auto weights = make_matrices(quant, n, k);
    const apus_act_format format = apus_quant_act_format(quant);
    const SharedPages acts = make_acts(format, m, k), out = make_pages(m * n * sizeof(float));
    std::vector<apus_op> ops;
    for (const apus_weights &copy : weights->copies) {
        apus_op op = {};
        op.kind = APUS_OP_matmul;
        op.matmul.in = acts_of(format, acts);
        op.matmul.in.q8_rest = op.matmul.in.q8;
        op.matmul.products[0] = {.weights = copy,
                                 .bias = nullptr,
                                 .out = out->as<float>(),
                                 .ld = static_cast<uint32_t>(n),
                                 .accumulate = false,
                                 .fine = fine};
        op.matmul.n_products = 1;
        op.matmul.rows = APUS_ROWS_TOKENS;
        ops.push_back(op);
    }
    const double macs = static_cast<double>(m * n * k) * (fine ? 2 : 1);
    Work work = plan_work(std::move(ops), macs, m, 0, {0}, {}, threads, {weights, acts, out});
    work.bytes = weights->bytes;
    work.footprint = weights->footprint();
    return work;
}

void add(Grid &grid, const apus_quant *quant, size_t m, size_t n, size_t k, bool fine) {
    const std::string type = type_name(quant);
    const bool is_main = n == 2048 && k == 2048,
               is_usual = type == "q4_0" || type == "q8_0" || type == "q4_k" || type == "q6_k" || type == "f16";
    const auto is_default = [&, is_main, is_usual, m, fine](apus_isa isa, int threads) {
        if (threads != grid.all()) return grid.best() == isa && is_main && !fine && is_among(m, {1, 512});
        if (fine) return grid.best() == isa && is_main && is_usual && is_among(m, {1, 512});
        if (is_main) return grid.best() == isa || is_among(m, {1, 8, 512});
        return grid.best() == isa && is_usual && is_among(m, {1, 512});
    };
    grid.add(fine ? "matmul_fine" : "matmul", type, m, "n" + std::to_string(n) + "k" + std::to_string(k),
             unit_of(quant), static_cast<double>(m * n * k) * (fine ? 2 : 1), is_default,
             [=](int threads) { return prepare(quant, m, n, k, fine, threads); });
}

} // namespace

void add_matmul(Grid &grid) {
    std::set<std::pair<size_t, size_t>> shapes; // (n, k), each once
    for (const ModelShape &model : model_shapes) {
        shapes.insert({model.heads * model.head_dim, model.dim});    // q
        shapes.insert({model.kv_heads * model.head_dim, model.dim}); // k, v
        shapes.insert({model.dim, model.heads * model.head_dim});    // output
        shapes.insert({model.dim, model.hidden});                    // down
        shapes.insert({model.vocab, model.dim});                     // logits
    }
    for (const apus_quant *quant : grid.types)
        for (const auto &[n, k] : shapes)
            for (size_t m : token_counts)
                if (fits(quant, k)) {
                    add(grid, quant, m, n, k, false);
                    if (apus_quant_act_format(quant) == APUS_ACT_Q8) add(grid, quant, m, n, k, true);
                }
}

} // namespace microbench
