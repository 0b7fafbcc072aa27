// Residual sum, RMSNorm and packing.
#include "ops.h"

namespace microbench {

namespace {

Work prepare(size_t m, size_t dim, apus_act_format format, int threads) {
    const SharedPages x = make_floats(m * dim), weight = make_floats(dim);
    const SharedPages delta = make_pages(m * dim * sizeof(float)); // zeros: x stays what it is, run after run
    const SharedPages out = make_pages(apus_acts_bytes(format, m, dim));
    apus_op op = {};
    op.kind = APUS_OP_rmsnorm;
    op.rmsnorm.x = x->as<float>();
    op.rmsnorm.delta = delta->as<float>();
    op.rmsnorm.weight = weight->as<float>();
    op.rmsnorm.dim = static_cast<uint32_t>(dim);
    op.rmsnorm.eps = 1e-5f;
    if (format == APUS_ACT_Q8)
        op.rmsnorm.out.q8 = out->data();
    else
        op.rmsnorm.out.f32 = out->data();
    const double values = static_cast<double>(m * dim);
    // A square added and two products for each value.
    Work work = plan_work(std::vector<apus_op>(256, op), 3 * values, m, 0, {0}, {}, threads, {x, weight, delta, out});
    work.is_product = false;
    work.bytes = 3 * values * sizeof(float) + static_cast<double>(out->bytes()); // x in and out, delta in
    work.footprint = work.bytes;
    return work;
}

} // namespace

void add_rmsnorm(Grid &grid) {
    std::set<size_t> dims;
    for (const ModelShape &model : model_shapes) dims.insert(model.dim);
    for (size_t dim : dims)
        for (size_t m : token_counts)
            for (apus_act_format format : {APUS_ACT_Q8, APUS_ACT_F32})
                grid.add(
                    "rmsnorm", format == APUS_ACT_Q8 ? "q8" : "f32", m, "n" + std::to_string(dim), APUS_PROBE_F32_FMA,
                    static_cast<double>(3 * m * dim),
                    [&grid, m](apus_isa, int threads) { return threads == grid.all() && is_among(m, {1, 512}); },
                    [=](int threads) { return prepare(m, dim, format, threads); });
}

} // namespace microbench
