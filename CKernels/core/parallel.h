// A team of threads and the barrier that they meet at. See core/parallel.c.
#ifndef APUS_PARALLEL_H
#define APUS_PARALLEL_H

#include "apus_kernels.h"

/// A sense-reversing barrier: the last to arrive may run a piece of work before the others go on.
typedef struct apus_barrier {
    _Alignas(64) int32_t arrived;
    _Alignas(64) int32_t generation;
    _Alignas(64) int32_t sleepers;
} apus_barrier;

/// Nanoseconds of a clock that only goes forward.
int64_t apus_now(void);

/// Waits until all threads have arrived: spins for a quarter of the time since `begin` (apus_now(), when the thread
/// began what it did before; 0: long ago), then sleeps. `last` (or NULL) is run by the last one, before any goes on.
/// `idle` (or NULL) is called by the others, over and over while it returns true and they spin.
void apus_barrier_wait(apus_barrier *barrier, int n_threads, int64_t begin, void (*last)(void *), bool (*idle)(void *),
                       void *context);

#endif
