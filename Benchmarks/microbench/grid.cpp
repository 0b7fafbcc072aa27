// The grid of cases: instruction sets and types out of the registries, ops by their files.
#include "grid.h"
#include "ops.h"

#include <map>

namespace microbench {

Grid::Grid() {
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++)
        if (apus_isa_available(static_cast<apus_isa>(isa))) isas.push_back(static_cast<apus_isa>(isa));
    threads = {1};
    if (apus_cpu_count() > 1) threads.push_back(apus_cpu_count());
    for (size_t i = 0; apus_quant_at(i) != nullptr; i++) types.push_back(apus_quant_at(i));
}

/// The most multiply-adds that a case of the default run may have, so that a repetition takes a fifth of a second at
/// most: by what was measured on a Zen 4 core, and little where an instruction set has no fused multiply-add.
static double most_macs(apus_isa isa, apus_probe unit) {
    if (isa == APUS_ISA_PORTABLE) return unit == APUS_PROBE_INT8_DOT ? 1e9 : 3e7;
    return unit == APUS_PROBE_INT8_DOT ? 2.5e10 : 1e10;
}

void Grid::add(const std::string &op, const std::string &type, size_t m, const std::string &shape, apus_probe unit,
               double macs, const std::function<bool(apus_isa, int)> &is_default,
               const std::function<Work(int threads)> &prepare) {
    for (apus_isa isa : isas) {
        for (int n : threads) {
            Case c;
            c.name = op + "/" + type + "/" + apus_isa_name(isa) + "/m" + std::to_string(m) + "/" + shape + "/t" +
                     std::to_string(n);
            if (!names.insert(c.name).second) continue; // of another model with the same shape
            c.isa = isa;
            c.threads = n;
            c.is_default = is_default(isa, n) && macs <= most_macs(isa, unit);
            c.prepare = [prepare, n, unit] {
                Work work = prepare(n);
                work.unit = unit;
                return work;
            };
            cases.push_back(std::move(c));
        }
    }
}

void add_op_cases(Grid &grid) {
    const std::map<std::string, void (*)(Grid &)> known = {
        {"embed", add_embed},
        {"rmsnorm", add_rmsnorm},
        {"rope_table", add_rope_table},
        {"matmul", add_matmul},
        {"rope_kv", add_rope_kv},
        {"attention", add_attention},
        {"attention_merge", add_attention_merge},
        {"glu", add_glu},
        {"softcap", add_softcap},
    };
#define APUS_OP(name)                                                                                                  \
    if (auto op = known.find(#name); op != known.end())                                                                \
        op->second(grid);                                                                                              \
    else                                                                                                               \
        grid.unmeasured.push_back(#name);
#include "apus_ops.h"
#undef APUS_OP
}

} // namespace microbench
