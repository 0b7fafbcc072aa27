// The only file that knows threads: one team per process, on OpenMP or on pthreads behind the same function.
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "core/parallel.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if defined(__linux__)
static void sleep_while(int32_t *word, int32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(int32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }
#else
static void sleep_while(int32_t *word, int32_t value) {
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void wake_all(int32_t *word) { (void)word; }
#endif

int64_t apus_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/// Returns once *word differs from `value`: spins for `patience` nanoseconds, then sleeps. `sleepers` counts who has to
/// be woken; `idle` as at apus_barrier_wait. It never yields: Linux takes a yield for a whole slice of the time that
/// the thread has a right to, and beside processes on all cores each barrier costs such a slice.
static void wait_change(int32_t *word, int32_t value, int32_t *sleepers, int64_t patience, bool (*idle)(void *),
                        void *context) {
    enum { SPINS = 16 }; // between looks at the clock
    int64_t begin = 0;
    do {
        for (int i = 0; i < SPINS; i++) {
            if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return;
            if (idle != NULL && idle(context)) continue;
            pause_cpu();
        }
        if (begin == 0) begin = apus_now();
    } while (apus_now() - begin < patience);
    __atomic_fetch_add(sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) sleep_while(word, value);
    __atomic_fetch_sub(sleepers, 1, __ATOMIC_SEQ_CST);
}

static void change(int32_t *word, int32_t *sleepers) {
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(sleepers, __ATOMIC_SEQ_CST) > 0) wake_all(word);
}

/// `patience`, or none where threads must wait for each other's processors.
static int64_t patience_of(int n_threads, int64_t patience) {
    static int processors;
    int n = __atomic_load_n(&processors, __ATOMIC_RELAXED);
    if (n == 0) __atomic_store_n(&processors, n = apus_cpu_count(), __ATOMIC_RELAXED);
    return n_threads > n ? 0 : patience;
}

/// How long to spin after work of some nanoseconds. A thread that has a core is not behind by more than a part of that;
/// of one that has none nobody knows when it gets one. Sleeping and being woken takes some 50 microseconds.
static int64_t patience_after(int64_t work) {
    enum { LEAST = 5000, MOST = 100000 };
    return work / 4 < LEAST ? LEAST : work / 4 < MOST ? work / 4 : MOST;
}

void apus_barrier_wait(apus_barrier *barrier, int n_threads, int64_t begin, void (*last)(void *), bool (*idle)(void *),
                       void *context) {
    const int32_t generation = __atomic_load_n(&barrier->generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == n_threads) {
        if (last != NULL) last(context);
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        change(&barrier->generation, &barrier->sleepers);
    } else {
        const int64_t patience = patience_of(n_threads, patience_after(apus_now() - begin));
        wait_change(&barrier->generation, generation, &barrier->sleepers, patience, idle, context);
    }
}

static pthread_mutex_t team_lock = PTHREAD_MUTEX_INITIALIZER; // callers take turns

#if defined(APUS_OPENMP)

const char *apus_team_backend(void) { return "openmp"; }

// Swift's clang ships no omp.h; these are libomp's own.
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern void omp_set_dynamic(int);
extern void kmp_set_blocktime(int);

static _Thread_local bool is_working; // in a run
static pid_t process;                 // that the team is in
static bool is_ending;

/// At the process's end: waits for the run under way and lets no other begin. libomp is torn down next, and threads
/// that still work then crash. (Who exits out of a run, by a signal's handler, and a fork, which has no team, cannot
/// wait.)
static void end_runs(void) {
    if (is_working || getpid() != process) return;
    __atomic_store_n(&is_ending, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&team_lock);
}

void apus_team_run(int n_threads, apus_team_fn fn, void *context) {
    if (n_threads < 1) n_threads = 1;
    if (n_threads > APUS_MAX_THREADS) n_threads = APUS_MAX_THREADS;
    pthread_mutex_lock(&team_lock);
    while (__atomic_load_n(&is_ending, __ATOMIC_RELAXED)) { // a lock goes to who asks first, not to who waits
        pthread_mutex_unlock(&team_lock);
        pause();
        pthread_mutex_lock(&team_lock);
    }
    omp_set_dynamic(0); // the team has the size that was asked for
    // ms that idle threads spin before they sleep: longer than sampling a token takes. (With 1, in one run of 200 on a
    // machine with much else to do, 15 processes that ended beside a run were aborted by libomp 14.)
    kmp_set_blocktime(5);
    if (process == 0 && atexit(end_runs) == 0) process = getpid(); // what comes after libomp's own is called before it
#pragma omp parallel num_threads(n_threads)
    {
        is_working = true;
        fn(omp_get_thread_num(), omp_get_num_threads(), context);
        is_working = false;
    }
    pthread_mutex_unlock(&team_lock);
}

#else

const char *apus_team_backend(void) { return "pthreads"; }

static struct {
    pthread_t threads[APUS_MAX_THREADS];
    int started; // threads 1 … started exist; the caller is thread 0
    _Alignas(64) int32_t job;
    _Alignas(64) int32_t job_sleepers;
    _Alignas(64) int32_t finished;
    _Alignas(64) int32_t finished_sleepers;
    int n_threads;
    apus_team_fn fn;
    void *context;
    int32_t first_job[APUS_MAX_THREADS]; // the job number at a thread's start
} team;

/// How long idle threads spin: longer than sampling a token takes.
static int64_t team_patience(void) {
    return patience_of(__atomic_load_n(&team.started, __ATOMIC_RELAXED) + 1, 1000000);
}

static void *worker(void *argument) {
    const int thread = (int)(intptr_t)argument;
    int32_t seen = team.first_job[thread];
    for (;;) {
        wait_change(&team.job, seen, &team.job_sleepers, team_patience(), NULL, NULL);
        seen = __atomic_load_n(&team.job, __ATOMIC_ACQUIRE);
        // A thread that a smaller team leaves out still answers, so that no job starts before all have seen the last.
        if (thread < team.n_threads) team.fn(thread, team.n_threads, team.context);
        change(&team.finished, &team.finished_sleepers);
    }
    return NULL;
}

void apus_team_run(int n_threads, apus_team_fn fn, void *context) {
    if (n_threads < 1) n_threads = 1;
    if (n_threads > APUS_MAX_THREADS) n_threads = APUS_MAX_THREADS;
    pthread_mutex_lock(&team_lock);
    while (team.started < n_threads - 1) {
        const int thread = team.started + 1;
        team.first_job[thread] = team.job;
        if (pthread_create(&team.threads[thread], NULL, worker, (void *)(intptr_t)thread) != 0) {
            n_threads = team.started + 1; // the results do not depend on it
            break;
        }
        pthread_detach(team.threads[thread]);
        __atomic_store_n(&team.started, thread, __ATOMIC_RELAXED); // idle threads look at it
    }
    if (n_threads == 1) {
        fn(0, 1, context);
    } else {
        team.n_threads = n_threads;
        team.fn = fn;
        team.context = context;
        __atomic_store_n(&team.finished, 0, __ATOMIC_RELAXED);
        change(&team.job, &team.job_sleepers);
        fn(0, n_threads, context);
        for (;;) {
            const int32_t finished = __atomic_load_n(&team.finished, __ATOMIC_ACQUIRE);
            if (finished == team.started) break;
            wait_change(&team.finished, finished, &team.finished_sleepers, team_patience(), NULL, NULL);
        }
    }
    pthread_mutex_unlock(&team_lock);
}

#endif
