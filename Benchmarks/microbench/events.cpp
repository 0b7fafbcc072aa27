// Cycles and instructions by perf_event_open.
#include "events.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif

namespace microbench {

#if defined(__linux__)
static int open_event(uint64_t config, std::string &why) {
    perf_event_attr attributes = {};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.config = config;
    attributes.inherit = 1;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    const long fd = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
    if (fd < 0) why = std::string("perf_event_open: ") + std::strerror(errno);
    return static_cast<int>(fd);
}
#endif

Events::Events() {
#if defined(__linux__)
    cycles_fd_ = open_event(PERF_COUNT_HW_CPU_CYCLES, why_);
    instructions_fd_ = open_event(PERF_COUNT_HW_INSTRUCTIONS, why_);
#else
    why_ = "perf_event_open is Linux's";
#endif
}

Events::~Events() {
    if (cycles_fd_ >= 0) close(cycles_fd_);
    if (instructions_fd_ >= 0) close(instructions_fd_);
}

Events::Counts Events::read() const {
    Counts counts;
    if (::read(cycles_fd_, &counts.cycles, sizeof counts.cycles) != sizeof counts.cycles) counts.cycles = 0;
    if (::read(instructions_fd_, &counts.instructions, sizeof counts.instructions) != sizeof counts.instructions)
        counts.instructions = 0;
    return counts;
}

} // namespace microbench
