// Bounding the logits.
#include "ops.h"

namespace microbench {

namespace {

Work prepare(const ModelShape &model, size_t m, int threads) {
    const SharedPages x = make_floats(m * model.vocab);
    apus_op op = {};
    op.kind = APUS_OP_softcap;
    op.softcap = {.x = x->as<float>(), .n = static_cast<uint32_t>(model.vocab), .cap = 30};
    const double values = static_cast<double>(m * model.vocab);
    Work work = plan_work({op}, values, m, 0, {0}, {}, threads, {x});
    work.is_product = false;
    work.bytes = 2 * values * sizeof(float); // in and out
    work.footprint = values * sizeof(float);
    return work;
}

} // namespace

void add_softcap(Grid &grid) {
    for (const ModelShape &model : model_shapes)
        for (size_t m : token_counts) {
            const bool is_main = model.vocab == 262144; // Gemma's
            grid.add(
                "softcap", "f32", m, "n" + std::to_string(model.vocab), APUS_PROBE_F32_FMA,
                static_cast<double>(m * model.vocab),
                [&grid, m, is_main](apus_isa, int threads) { return threads == grid.all() && m == 1 && is_main; },
                [=, &model](int threads) { return prepare(model, m, threads); });
        }
}

} // namespace microbench
