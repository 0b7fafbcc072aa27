// Cycles and instructions of all threads of this process, where the system lets them be counted.
#ifndef APUS_MICROBENCH_EVENTS_H
#define APUS_MICROBENCH_EVENTS_H

#include <cstdint>
#include <string>

namespace microbench {

class Events {
  public:
    /// To be made before any other thread: only later ones inherit the counters.
    Events();
    ~Events();
    Events(const Events &) = delete;
    Events &operator=(const Events &) = delete;

    bool available() const { return cycles_fd_ >= 0 && instructions_fd_ >= 0; }
    /// Why not.
    const std::string &why() const { return why_; }
    struct Counts {
        uint64_t cycles = 0, instructions = 0;
    };
    Counts read() const;

  private:
    int cycles_fd_ = -1, instructions_fd_ = -1;
    std::string why_;
};

} // namespace microbench
#endif
