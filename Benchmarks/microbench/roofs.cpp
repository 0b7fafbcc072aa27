// The machine's roofs.
#include "roofs.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace microbench {

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const char *level_name(Level level) {
    static const char *const names[] = {"L1", "L2", "L3", "memory"};
    return names[static_cast<int>(level)];
}

static std::string compute_key(apus_probe unit, apus_isa isa, int threads) {
    return std::string("roof ") + apus_probe_name(unit) + " " + apus_isa_name(isa) + " t" + std::to_string(threads);
}

static std::string read_key(Level level, bool huge, int threads) {
    return std::string("roof read ") + level_name(level) + (huge ? " huge pages t" : " 4 KB pages t") +
           std::to_string(threads);
}

Roofs::Roofs(const Grid &grid) : grid_(grid) {
    static const size_t usual[3] = {32 << 10, 1 << 20, 16 << 20};
    for (int i = 0; i < 3; i++) {
        const size_t found = apus_cache_bytes(i + 1);
        cache_bytes_[i] = found > 0 ? found : usual[i];
    }
    memory_bytes_ = std::clamp(8 * cache_bytes_[2], size_t{128} << 20, size_t{512} << 20);
}

Roofs::~Roofs() {
    for (auto &[threads, memory] : memory_) apus_probe_buffer_free(memory.buffer);
}

void Roofs::measure() {
    for (int threads : grid_.threads) {
        for (apus_isa isa : grid_.isas)
            for (int unit = 0; unit < APUS_PROBE_COUNT; unit++) {
                const double rate = apus_probe_compute(static_cast<apus_probe>(unit), isa, threads, 0.1);
                if (rate > 0) figures_[compute_key(static_cast<apus_probe>(unit), isa, threads)] = rate;
            }
        for (bool huge : {false, true}) {
            // Half of each thread's own levels, half of the level that all share.
            const size_t sizes[3] = {cache_bytes_[0] / 2 * threads, cache_bytes_[1] / 2 * threads, cache_bytes_[2] / 2};
            for (int level = 0; level < 3; level++)
                figures_[read_key(static_cast<Level>(level), huge, threads)] =
                    apus_probe_read(sizes[level], threads, huge, 0.1).fastest;
        }
        figures_[read_key(Level::memory, false, threads)] =
            apus_probe_read(memory_bytes_, threads, false, 0.2).sustained;
        figures_[read_key(Level::memory, true, threads)] = fresh_memory(threads);
        figures_["barrier t" + std::to_string(threads)] = apus_probe_barrier(threads);
        figures_["fork-join t" + std::to_string(threads)] = apus_probe_fork_join(threads);
    }
}

double Roofs::fresh_memory(int threads) {
    Memory &memory = memory_[threads];
    if (memory.buffer == nullptr) memory.buffer = apus_probe_buffer_create(memory_bytes_, true);
    if (memory.buffer == nullptr) return 0;
    if (now() - memory.when > 0.5) {
        memory.rate = apus_probe_buffer_read(memory.buffer, threads, 0.05).sustained;
        memory.when = now();
    }
    return memory.rate;
}

double Roofs::compute(apus_probe unit, apus_isa isa, int threads) const {
    // The other variants multiply bf16 as f32.
    if (unit == APUS_PROBE_BF16_DOT && !(isa == APUS_ISA_AVX512VNNI && apus_isa_use_bf16(true)))
        unit = APUS_PROBE_F32_FMA;
    const auto found = figures_.find(compute_key(unit, isa, threads));
    return found == figures_.end() ? 0 : found->second;
}

double Roofs::read(Level level, int threads) {
    return level == Level::memory ? fresh_memory(threads) : figures_[read_key(level, true, threads)];
}

Level Roofs::level_of(double footprint, int threads) const {
    const double share = footprint / threads;
    if (share <= static_cast<double>(cache_bytes_[0])) return Level::l1;
    if (share <= static_cast<double>(cache_bytes_[1])) return Level::l2;
    return footprint <= static_cast<double>(cache_bytes_[2]) ? Level::l3 : Level::memory;
}

std::string Roofs::disturbance() const {
    const double one = compute(APUS_PROBE_F32_FMA, grid_.best(), 1);
    const double all = compute(APUS_PROBE_F32_FMA, grid_.best(), grid_.all());
    if (all >= 0.85 * one * grid_.all()) return "";
    char text[160];
    snprintf(text, sizeof text,
             "%d threads compute %.2f times what one does: others use the processors, or they slow down", grid_.all(),
             all / one);
    return text;
}

std::map<std::string, std::string> Roofs::context() const {
    std::map<std::string, std::string> lines;
    for (const auto &[name, value] : figures_) {
        char text[64];
        if (name.rfind("roof read", 0) == 0)
            snprintf(text, sizeof text, "%.1f GB/s", value * 1e-9);
        else if (name.rfind("roof", 0) == 0)
            snprintf(text, sizeof text, "%.1f GMAC/s", value * 1e-9);
        else
            snprintf(text, sizeof text, "%.0f ns", value * 1e9);
        lines[name] = text;
    }
    return lines;
}

} // namespace microbench
