// Rows out of the embedding table: every weight type.
#include "ops.h"

namespace microbench {

namespace {

Work prepare(const apus_quant *quant, size_t m, const ModelShape &model, int threads) {
    const auto table = make_matrices(quant, model.vocab, model.dim);
    const SharedPages x = make_pages(m * model.dim * sizeof(float));
    std::vector<int32_t> ids;
    // Far from each other, as a text's words are.
    for (size_t i = 0; i < m; i++) ids.push_back(static_cast<int32_t>((i * 7919 + 17) % model.vocab));
    apus_op op = {};
    op.kind = APUS_OP_embed;
    op.embed.table = table->copies[0];
    op.embed.x = x->as<float>();
    op.embed.scale = 1;
    const double values = static_cast<double>(m * model.dim);
    Work work = plan_work({op}, values, m, 0, {0}, ids, threads, {table, x});
    work.is_product = false;
    work.bytes =
        values / static_cast<double>(apus_quant_block(quant)) * static_cast<double>(apus_quant_block_bytes(quant)) +
        values * sizeof(float);
    work.footprint = work.bytes; // the same rows again and again
    return work;
}

} // namespace

void add_embed(Grid &grid) {
    for (const apus_quant *quant : grid.types)
        for (const ModelShape &model : model_shapes) {
            if (!fits(quant, model.dim)) continue;
            for (size_t m : token_counts)
                grid.add(
                    "embed", type_name(quant), m, "n" + std::to_string(model.vocab) + "k" + std::to_string(model.dim),
                    APUS_PROBE_F32_FMA, static_cast<double>(m * model.dim),
                    [&grid, m, is_main = model.vocab == 32000 && model.dim == 2048](apus_isa isa, int threads) {
                        return grid.is_best(isa, threads) && is_among(m, {1, 512}) && is_main;
                    },
                    [=, &model](int threads) { return prepare(quant, m, model, threads); });
        }
}

} // namespace microbench
