// Gate and up products with the activation: every weight type, the models' feed-forward layers.
#include "ops.h"

namespace microbench {

namespace {

Work prepare(const apus_quant *quant, size_t m, const ModelShape &model, int threads) {
    // Gate and up are two matrices whose tiles take turns, as in a model: those of one of twice the rows.
    const auto weights = make_matrices(quant, 2 * model.hidden, model.dim);
    const apus_act_format format = apus_quant_act_format(quant);
    const SharedPages acts = make_acts(format, m, model.dim);
    const SharedPages out = make_pages(apus_acts_bytes(format, m, model.hidden));
    std::vector<apus_op> ops;
    for (const apus_weights &both : weights->copies) {
        apus_op op = {};
        op.kind = APUS_OP_glu;
        op.glu.in = acts_of(format, acts);
        op.glu.out = acts_of(format, out);
        op.glu.gate = op.glu.up = both;
        op.glu.gate.rows = op.glu.up.rows = static_cast<uint32_t>(model.hidden);
        op.glu.gate.stride = op.glu.up.stride = 2;
        op.glu.up.tiles += apus_quant_tile_bytes(quant, model.dim);
        op.glu.activation = APUS_SILU;
        ops.push_back(op);
    }
    const double macs = 2.0 * static_cast<double>(m * model.hidden * model.dim);
    Work work = plan_work(std::move(ops), macs, m, 0, {0}, {}, threads, {weights, acts, out});
    work.bytes = weights->bytes;
    work.footprint = weights->footprint();
    return work;
}

} // namespace

void add_glu(Grid &grid) {
    for (const apus_quant *quant : grid.types) {
        const std::string type = type_name(quant);
        for (const ModelShape &model : model_shapes) {
            if (!fits(quant, model.dim)) continue;
            for (size_t m : token_counts) {
                const bool is_main = model.hidden == 8192;
                const auto is_default = [&grid, is_main, type, m](apus_isa isa, int threads) {
                    if (threads != grid.all() || !is_among(m, {1, 8, 512})) return false;
                    return is_main ? isa == grid.best() || type == "q4_0" : isa == grid.best() && type == "q4_0";
                };
                grid.add("glu", type, m, "n" + std::to_string(model.hidden) + "k" + std::to_string(model.dim),
                         unit_of(quant), 2.0 * static_cast<double>(m * model.hidden * model.dim), is_default,
                         [=, &model](int threads) { return prepare(quant, m, model, threads); });
            }
        }
    }
}

} // namespace microbench
