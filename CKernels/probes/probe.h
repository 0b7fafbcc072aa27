// What the probes share: a clock, and work timed from the moment that all threads are there.
#ifndef APUS_PROBE_H
#define APUS_PROBE_H

#include "apus_probes.h"
#include "core/parallel.h"

/// Seconds of a clock that never goes back.
double apus_probe_now(void);

/// Runs `fn` on the team and returns the seconds between the first thread's start and the last one's end.
double apus_probe_time(int n_threads, apus_team_fn fn, void *context);

/// Threads that a team of `n_threads` really has: fewer when the system gives no more.
int apus_probe_team_size(int n_threads);

#endif
