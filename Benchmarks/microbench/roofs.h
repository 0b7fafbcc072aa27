// The machine's roofs, measured by the library's probes before any kernel.
#ifndef APUS_MICROBENCH_ROOFS_H
#define APUS_MICROBENCH_ROOFS_H

#include "grid.h"

#include <map>

namespace microbench {

/// Where data comes from.
enum class Level { l1, l2, l3, memory };
const char *level_name(Level level);

class Roofs {
  public:
    explicit Roofs(const Grid &grid);
    ~Roofs();
    Roofs(const Roofs &) = delete;
    Roofs &operator=(const Roofs &) = delete;

    /// Takes some seconds.
    void measure();
    /// Multiply-adds a second; 0 where there is no such instruction.
    double compute(apus_probe unit, apus_isa isa, int threads) const;
    /// Bytes a second through huge pages. That of memory is measured anew unless the last time was a moment ago.
    double read(Level level, int threads);
    /// The level that holds what a case goes through in turn.
    Level level_of(double footprint, int threads) const;
    /// What the roofs say of others who use the machine, or nothing: all threads should compute as much as so many
    /// times one does.
    std::string disturbance() const;
    /// One line for each figure, by the name it has in the JSON's context.
    std::map<std::string, std::string> context() const;

  private:
    struct Memory {
        apus_probe_buffer *buffer = nullptr;
        double rate = 0, when = -1e9;
    };
    const Grid &grid_;
    std::map<std::string, double> figures_;
    std::map<int, Memory> memory_; ///< by threads: each buffer keeps the best way to read it
    size_t cache_bytes_[3];
    size_t memory_bytes_;
    double fresh_memory(int threads);
};

} // namespace microbench
#endif
