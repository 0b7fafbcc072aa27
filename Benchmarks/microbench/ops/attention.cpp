// Attention over the f16 cache at depths from 128 to 32,768, for the models' heads: 1, 3, 4 and 8 query heads a KV
// head.
#include "ops.h"

#include <cmath>

namespace microbench {

namespace {

constexpr size_t depths[] = {128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

/// Pairs of a query and a position that it sees: the tokens are the last m of `depth` positions.
double seen(size_t m, size_t depth) {
    return static_cast<double>(m) * (static_cast<double>(depth) - (static_cast<double>(m) - 1) / 2);
}

Work prepare(const ModelShape &model, size_t m, size_t depth, int threads) {
    const auto caches = make_caches(model, depth);
    const SharedPages q = make_floats(m * model.heads * model.head_dim);
    std::vector<apus_op> ops;
    apus_attention record = {};
    record.q = q->as<float>();
    record.n_heads = static_cast<uint32_t>(model.heads);
    record.scale = 1 / std::sqrt(static_cast<float>(model.head_dim));
    record.kv = caches->layers[0];
    const SharedPages partial = make_pages(apus_attention_partial_floats(&record, m, depth) * sizeof(float));
    record.partial = partial->as<float>();
    for (const apus_kv &kv : caches->layers) {
        apus_op op = {};
        op.kind = APUS_OP_attention;
        op.attention = record;
        op.attention.kv = kv;
        ops.push_back(op);
    }
    const double macs = seen(m, depth) * static_cast<double>(2 * model.head_dim * model.heads);
    Work work = plan_work(std::move(ops), macs, m, static_cast<int32_t>(depth - m), caches->page_table, {}, threads,
                          {caches, q, partial});
    work.bytes = caches->layer_bytes;
    work.footprint = caches->layer_bytes * static_cast<double>(caches->layers.size());
    return work;
}

} // namespace

void add_attention(Grid &grid) {
    for (const ModelShape &model : model_shapes) {
        for (size_t depth : depths) {
            for (size_t m : token_counts) {
                if (m > depth) continue;
                const std::string shape = "d" + std::to_string(depth) + "h" + std::to_string(model.heads) + "kv" +
                                          std::to_string(model.kv_heads) + "x" + std::to_string(model.head_dim);
                const auto is_default = [&grid, m, depth](apus_isa isa, int threads) {
                    if (threads != grid.all()) return isa == grid.best() && m == 1 && depth == 4096;
                    if (isa != grid.best()) return is_among(m, {1, 512}) && depth == 4096;
                    return m == 1 || depth == 4096 || (m == 512 && is_among(depth, {512, 1024, 32768}));
                };
                grid.add("attention", "f16", m, shape, APUS_PROBE_F32_FMA,
                         seen(m, depth) * static_cast<double>(2 * model.head_dim * model.heads), is_default,
                         [=, &model](int threads) { return prepare(model, m, depth, threads); });
            }
        }
    }
}

} // namespace microbench
