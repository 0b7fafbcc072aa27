// Rotation of queries and keys, and writing keys and values to the cache.
#include "ops.h"

namespace microbench {

namespace {

constexpr size_t depth = 1024;

Work prepare(const ModelShape &model, size_t m, int threads) {
    const auto caches = make_caches(model, depth);
    const size_t dim = model.head_dim, q_values = m * model.heads * dim, k_values = m * model.kv_heads * dim;
    const SharedPages q = make_floats(q_values), k = make_floats(k_values), v = make_floats(k_values);
    // A rotation by nothing leaves q as it is, run after run.
    const SharedPages cos_sin = make_pages(m * dim * sizeof(float));
    for (size_t i = 0; i < m * dim; i++) cos_sin->as<float>()[i] = i % dim < dim / 2 ? 1.0f : 0.0f;
    std::vector<apus_op> ops;
    for (const apus_kv &kv : caches->layers) {
        apus_op op = {};
        op.kind = APUS_OP_rope_kv;
        op.rope_kv.q = q->as<float>();
        op.rope_kv.k = k->as<float>();
        op.rope_kv.v = v->as<float>();
        op.rope_kv.cos_sin = cos_sin->as<float>();
        op.rope_kv.kv = kv;
        op.rope_kv.n_heads = static_cast<uint32_t>(model.heads);
        op.rope_kv.n_pairs = static_cast<uint32_t>(dim / 2);
        op.rope_kv.layout = APUS_ROPE_HALVES;
        ops.push_back(op);
    }
    // Four products a pair; q in and out, k and v in as f32 and out as f16, the angles in.
    const double macs = 2 * static_cast<double>(q_values + k_values);
    Work work = plan_work(std::move(ops), macs, m, static_cast<int32_t>(depth - m), caches->page_table, {}, threads,
                          {caches, q, k, v, cos_sin});
    work.is_product = false;
    work.bytes = static_cast<double>(8 * q_values + 12 * k_values + 4 * m * dim);
    work.footprint = work.bytes; // what is read; the cache, which is only written, is beyond it
    return work;
}

} // namespace

void add_rope_kv(Grid &grid) {
    for (const ModelShape &model : model_shapes)
        for (size_t m : token_counts)
            grid.add(
                "rope_kv", "f16", m,
                "h" + std::to_string(model.heads) + "kv" + std::to_string(model.kv_heads) + "x" +
                    std::to_string(model.head_dim),
                APUS_PROBE_F32_FMA, 2 * static_cast<double>(m * (model.heads + model.kv_heads) * model.head_dim),
                [&grid, m](apus_isa, int threads) { return threads == grid.all() && is_among(m, {1, 512}); },
                [=, &model](int threads) { return prepare(model, m, threads); });
}

} // namespace microbench
