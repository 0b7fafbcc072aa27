// Cosines and sines of a step's rotations.
#include "ops.h"

#include <cmath>

namespace microbench {

namespace {

Work prepare(size_t m, size_t pairs, int threads) {
    const SharedPages frequencies = make_pages(pairs * sizeof(double));
    const SharedPages table = make_pages(m * 2 * pairs * sizeof(float));
    for (size_t i = 0; i < pairs; i++)
        frequencies->as<double>()[i] = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs));
    apus_op op = {};
    op.kind = APUS_OP_rope_table;
    op.rope_table = {.inv_freq = frequencies->as<double>(),
                     .cos_sin = table->as<float>(),
                     .n_pairs = static_cast<uint32_t>(pairs),
                     .magnitude = 1};
    const double values = static_cast<double>(2 * m * pairs);
    Work work = plan_work(std::vector<apus_op>(64, op), values, m, 1000, {}, {}, threads, {frequencies, table});
    work.is_product = false;
    work.bytes = values * sizeof(float);
    work.footprint = work.bytes;
    return work;
}

} // namespace

void add_rope_table(Grid &grid) {
    std::set<size_t> head_dims;
    for (const ModelShape &model : model_shapes) head_dims.insert(model.head_dim);
    for (size_t dim : head_dims)
        for (size_t m : token_counts)
            grid.add(
                "rope_table", "f64", m, "n" + std::to_string(dim), APUS_PROBE_F32_FMA, static_cast<double>(m * dim),
                [&grid, m](apus_isa isa, int threads) { return grid.is_best(isa, threads) && is_among(m, {1, 512}); },
                [=](int threads) { return prepare(m, dim / 2, threads); });
}

} // namespace microbench
