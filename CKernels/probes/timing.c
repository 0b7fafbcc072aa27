// Times work on the team, and the team itself: the barrier, and fork and join.
#include "probes/probe.h"

double apus_probe_now(void) { return (double)apus_now() * 1e-9; }

typedef struct timed {
    apus_barrier barrier;
    apus_team_fn fn;
    void *context;
    double start[APUS_MAX_THREADS], end[APUS_MAX_THREADS];
    int n_threads;
} timed;

static void run_timed(int thread, int n_threads, void *context) {
    timed *t = context;
    apus_barrier_wait(&t->barrier, n_threads, 0, NULL, NULL, NULL);
    const double start = apus_probe_now();
    if (t->fn != NULL) t->fn(thread, n_threads, t->context);
    t->end[thread] = apus_probe_now();
    t->start[thread] = start;
    if (thread == 0) t->n_threads = n_threads;
}

double apus_probe_time(int n_threads, apus_team_fn fn, void *context) {
    timed t = {.fn = fn, .context = context};
    apus_team_run(n_threads, run_timed, &t);
    double start = t.start[0], end = t.end[0];
    for (int i = 1; i < t.n_threads; i++) {
        if (t.start[i] < start) start = t.start[i];
        if (t.end[i] > end) end = t.end[i];
    }
    return end > start ? end - start : 1e-9; // a clock of coarse ticks
}

static void count_team(int thread, int n_threads, void *context) {
    if (thread == 0) *(int *)context = n_threads;
}

int apus_probe_team_size(int n_threads) {
    int size = 1;
    apus_team_run(n_threads, count_team, &size);
    return size;
}

// A sample is long against the clock's ticks and short against a scheduler's time slice.
enum { SAMPLES = 20, ROUNDS = 500 };

static void meet(int thread, int n_threads, void *context) {
    (void)thread;
    for (int i = 0; i < ROUNDS; i++) apus_barrier_wait(context, n_threads, 0, NULL, NULL, NULL);
}

double apus_probe_barrier(int threads) {
    double best = 1e9;
    for (int i = 0; i < SAMPLES; i++) {
        apus_barrier barrier = {0};
        const double seconds = apus_probe_time(threads, meet, &barrier) / ROUNDS;
        if (seconds < best) best = seconds;
    }
    return best;
}

static void nothing(int thread, int n_threads, void *context) {
    (void)thread;
    (void)n_threads;
    (void)context;
}

double apus_probe_fork_join(int threads) {
    double best = 1e9;
    for (int i = 0; i < SAMPLES; i++) {
        const double start = apus_probe_now();
        for (int j = 0; j < ROUNDS; j++) apus_team_run(threads, nothing, NULL);
        const double seconds = (apus_probe_now() - start) / ROUNDS;
        if (seconds < best) best = seconds;
    }
    return best;
}
