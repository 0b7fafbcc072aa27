// What is measured: cases, the work that one of them does, and the shapes of well-known models.
#ifndef APUS_MICROBENCH_GRID_H
#define APUS_MICROBENCH_GRID_H

#include "apus_probes.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace microbench {

/// The work of one iteration of a case.
struct Work {
    std::function<void()> run;
    double kernels = 1;                    ///< how often `run` does the kernel
    double macs = 0;                       ///< multiply-adds of one kernel
    double bytes = 0;                      ///< that one kernel must bring in: see KernelEngineering.md
    double footprint = 0;                  ///< bytes that the iterations go through in turn: from where they come
    apus_probe unit = APUS_PROBE_INT8_DOT; ///< the roof of its arithmetic
    bool is_product = true;                ///< mostly fused multiply-adds; otherwise only reads are its roof
};

/// One row of the results.
struct Case {
    std::string name; ///< op/type/isa/mM/shape/tTHREADS
    apus_isa isa = APUS_ISA_PORTABLE;
    int threads = 1;
    bool is_default = false; ///< measured without --all
    std::function<Work()> prepare;
};

/// A decoder's layer.
struct ModelShape {
    const char *name;
    size_t dim, hidden, heads, kv_heads, head_dim, vocab, layers;
};

inline constexpr ModelShape model_shapes[] = {
    {"SmolLM2-135M", 576, 1536, 9, 3, 64, 49152, 30},    {"Gemma-3-270M", 640, 2048, 4, 1, 256, 262144, 18},
    {"Llama-3.2-1B", 2048, 8192, 32, 8, 64, 128256, 16}, {"TinyLlama-1.1B", 2048, 5632, 32, 4, 64, 32000, 22},
    {"Llama-2-7B", 4096, 11008, 32, 32, 128, 32000, 32},
};

inline constexpr size_t token_counts[] = {1, 2, 4, 8, 16, 64, 512};

/// Whether the number is one of those.
inline bool is_among(size_t number, std::initializer_list<size_t> numbers) {
    for (size_t n : numbers)
        if (n == number) return true;
    return false;
}

/// Everything that can be measured on this machine.
class Grid {
  public:
    std::vector<apus_isa> isas; ///< available, slowest first
    std::vector<int> threads;   ///< 1 and all, or 1
    std::vector<const apus_quant *> types;
    std::vector<Case> cases;
    std::vector<std::string> unmeasured; ///< ops in the registry that nothing here prepares

    Grid();
    apus_isa best() const { return isas.back(); }
    int all() const { return threads.back(); }
    bool is_best(apus_isa isa, int n) const { return isa == best() && n == all(); }

    /// Adds op/type/isa/mM/shape/tN for each instruction set and number of threads. `is_default` decides by both;
    /// what takes too long at the speed of `isa` is left to --all. `macs` and `unit` are those of the work.
    void add(const std::string &op, const std::string &type, size_t m, const std::string &shape, apus_probe unit,
             double macs, const std::function<bool(apus_isa, int)> &is_default,
             const std::function<Work(int threads)> &prepare);

  private:
    std::set<std::string> names; ///< of `cases`, each once
};

/// The rows of every op in the registry; those that have no file in ops/ go to `unmeasured`.
void add_op_cases(Grid &grid);
/// Other people's kernels, as far as they were found when this was built.
void add_peer_cases(Grid &grid);

} // namespace microbench
#endif
