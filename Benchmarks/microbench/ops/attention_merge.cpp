// Merging attention's pieces and packing the heads' outputs.
#include "ops.h"

namespace microbench {

namespace {

constexpr size_t depth = 4096;

Work prepare(const ModelShape &model, size_t m, apus_act_format format, int threads) {
    apus_attention record = {};
    record.n_heads = static_cast<uint32_t>(model.heads);
    record.kv = {.k = nullptr,
                 .v = nullptr,
                 .page_stride = 0,
                 .n_kv_heads = static_cast<uint32_t>(model.kv_heads),
                 .k_dim = static_cast<uint32_t>(model.head_dim),
                 .v_dim = static_cast<uint32_t>(model.head_dim),
                 .v_stride = static_cast<uint32_t>((model.head_dim + 15) / 16 * 16)};
    // As attention leaves it: values of about 1 everywhere, maxima and sums included.
    const size_t floats = apus_attention_partial_floats(&record, m, depth), cols = model.heads * model.head_dim;
    const SharedPages partial = make_floats(floats), out = make_pages(apus_acts_bytes(format, m, cols));
    record.partial = partial->as<float>();
    apus_op op = {};
    op.kind = APUS_OP_attention_merge;
    op.attention_merge.attention = record;
    if (format == APUS_ACT_Q8)
        op.attention_merge.out.q8 = out->data();
    else
        op.attention_merge.out.f32 = out->data();
    const size_t pieces = m <= APUS_SPLIT_TOKENS ? depth / APUS_SPLIT : 1;
    const double values = static_cast<double>(m * cols * pieces);
    Work work = plan_work(std::vector<apus_op>(256, op), values, m, static_cast<int32_t>(depth - m), {}, {}, threads,
                          {partial, out});
    work.is_product = false;
    work.bytes = values * sizeof(float) + static_cast<double>(out->bytes());
    work.footprint = work.bytes;
    return work;
}

} // namespace

void add_attention_merge(Grid &grid) {
    for (const ModelShape &model : model_shapes)
        for (size_t m : token_counts)
            for (apus_act_format format : {APUS_ACT_Q8, APUS_ACT_F32})
                grid.add(
                    "attention_merge", format == APUS_ACT_Q8 ? "q8" : "f32", m,
                    "d" + std::to_string(depth) + "h" + std::to_string(model.heads) + "x" +
                        std::to_string(model.head_dim),
                    APUS_PROBE_F32_FMA, static_cast<double>(m * model.heads * model.head_dim),
                    [&grid, m, format](apus_isa, int threads) {
                        return threads == grid.all() && is_among(m, {1, 512}) && format == APUS_ACT_Q8;
                    },
                    [=, &model](int threads) { return prepare(model, m, format, threads); });
}

} // namespace microbench
