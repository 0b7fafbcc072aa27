// Probes of the machine: what it can compute, read and synchronize, measured. The roofs that kernels are held against.
//
// All run on the team of threads (apus_team_run) and keep it busy for about the time asked for, in many short samples.
// Of processors and their caches the best one counts: a disturbed sample is a slow one, so the best is the machine's
// own. Memory is shared with whoever else is on the machine: what a program gets of it for longer is the mean.
#ifndef APUS_PROBES_H
#define APUS_PROBES_H

#include "apus_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a probe multiplies.
typedef enum apus_probe {
    /// Bytes by bytes, summed in 32 bits: by the fastest exact way that an instruction set has for codes of 4 bits.
    APUS_PROBE_INT8_DOT,
    /// Fused multiply-adds of f32.
    APUS_PROBE_F32_FMA,
    /// Pairs of bf16 summed in f32: measured for avx512vnni where the processor has AVX512_BF16, and for neon-i8mm,
    /// which
    /// does not use them, where it has BF16.
    APUS_PROBE_BF16_DOT,
    APUS_PROBE_COUNT
} apus_probe;

/// "int8", "f32" or "bf16".
APUS_API const char *apus_probe_name(apus_probe probe);
/// Multiply-adds a second of all threads together, out of registers; 0 where the machine, the build or the instruction
/// set lacks it.
APUS_API double apus_probe_compute(apus_probe probe, apus_isa isa, int threads, double seconds);

/// Memory that read probes stream. One caller at a time.
typedef struct apus_probe_buffer apus_probe_buffer;

/// `bytes` of memory, every page written once: huge pages where the system gives them (madvise), or 4 KB pages. NULL
/// when there is none.
APUS_API apus_probe_buffer *apus_probe_buffer_create(size_t bytes, bool huge_pages);
APUS_API void apus_probe_buffer_free(apus_probe_buffer *buffer);
/// Bytes a second.
typedef struct apus_probe_rates {
    double sustained; ///< over the time asked for, by the way of reading that was fastest over it
    double fastest;   ///< of one sample
} apus_probe_rates;
/// All threads together read the whole buffer, a share each, again and again. Its size says from where: a cache level
/// that holds it, or memory. Several ways of reading (streams side by side, prefetch distances) are tried; the first
/// call with a number of threads tries them all, which takes 64 reads of the buffer, later ones take the best four in
/// turn, once each at least.
APUS_API apus_probe_rates apus_probe_buffer_read(apus_probe_buffer *buffer, int threads, double seconds);
/// The way of the last read's sustained rate: "4 streams, prefetch to L1 once, 256 bytes ahead". Empty before
/// any.
APUS_API const char *apus_probe_buffer_way(const apus_probe_buffer *buffer);
/// All of it at once: create, read, free. Zeros when the memory could not be had.
APUS_API apus_probe_rates apus_probe_read(size_t bytes, int threads, bool huge_pages, double seconds);

/// Seconds from barrier to barrier, nothing between: what every op of a plan pays.
APUS_API double apus_probe_barrier(int threads);
/// Seconds of a team's run that does nothing: what every plan pays. Threads that wait are still spinning.
APUS_API double apus_probe_fork_join(int threads);

/// Bytes of the data or unified cache of a level (1 to 3) that one processor sees; 0 when it is not known.
APUS_API size_t apus_cache_bytes(int level);

#ifdef __cplusplus
}
#endif
#endif
