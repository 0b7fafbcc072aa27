// The team of threads and its barrier, and plans that run on it: whatever the size, the caller, or the machine's load,
// the same work is done once. Run this one under -fsanitize=thread too (pthreads).
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include "core/parallel.h"
#include "acts.h"
#include "types.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int rounds(int full) { return test_small() ? full / 8 + 1 : full; }

// ---------------------------------------------------------------------------------------------------------------
// The team

typedef struct roll_call {
    int32_t calls[APUS_MAX_THREADS]; ///< by thread number
    int32_t wrong;                   ///< thread numbers or team sizes that cannot be
    int n_threads;
} roll_call;

static void answer(int thread, int n_threads, void *context) {
    roll_call *roll = context;
    if (thread < 0 || thread >= n_threads || n_threads != roll->n_threads)
        __atomic_fetch_add(&roll->wrong, 1, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(&roll->calls[thread], 1, __ATOMIC_RELAXED);
}

static bool call_roll(int asked, int expected) {
    roll_call roll = {.n_threads = expected};
    apus_team_run(asked, answer, &roll);
    bool once = roll.wrong == 0;
    for (int i = 0; i < APUS_MAX_THREADS; i++) once = once && roll.calls[i] == (i < expected);
    return once;
}

static void test_sizes(void) {
    static const int sizes[] = {1, 2, 3, 8, 2, 1, 5, 3, 8, 1};
    for (int round = 0; round < rounds(100); round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            check(call_roll(sizes[i], sizes[i]), "a team of %d", sizes[i]);
    check(call_roll(0, 1), "a team of 0 is one thread");
    check(call_roll(-5, 1), "a team of -5 is one thread");
}

/// Last: the threads stay.
static void test_large(void) {
    check(call_roll(40, 40), "a team of 40");
    check(call_roll(2, 2), "a team of 2 after one of 40");
}

/// What the work wrote is there when the call returns, without any synchronization of one's own.
static void fill(int thread, int n_threads, void *context) {
    int *values = context;
    for (int i = thread; i < 1000; i += n_threads) values[i]++;
}

static void test_visibility(void) {
    int values[1000] = {0};
    const int n = rounds(300);
    for (int i = 0; i < n; i++) {
        apus_team_run(1 + i % 4, fill, values);
        values[i % 1000]++; // the caller's own turn, between runs
    }
    bool all = true;
    for (int i = 0; i < 1000; i++) all = all && values[i] == n + (i < n);
    check(all, "something that the team wrote is lost");
}

typedef struct caller {
    pthread_t thread;
    int number;
    long wrong;
} caller;

static int32_t in_team, overlaps; // teams at work at once

static void work_alone(int thread, int n_threads, void *context) {
    (void)n_threads;
    if (thread == 0) {
        if (__atomic_add_fetch(&in_team, 1, __ATOMIC_SEQ_CST) != 1) __atomic_fetch_add(&overlaps, 1, __ATOMIC_RELAXED);
        sched_yield();
        __atomic_sub_fetch(&in_team, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_add((int32_t *)context, 1, __ATOMIC_RELAXED);
}

static void *call_often(void *argument) {
    caller *c = argument;
    for (int i = 0; i < rounds(60); i++) {
        int32_t calls = 0;
        const int size = 1 + (c->number + i) % 4;
        apus_team_run(size, work_alone, &calls);
        if (calls != size) c->wrong++;
    }
    return NULL;
}

static void test_callers(void) {
    caller callers[5] = {0};
    for (int i = 0; i < 5; i++) {
        callers[i].number = i;
        if (!check(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]) == 0, "no thread")) return;
    }
    for (int i = 0; i < 5; i++) {
        pthread_join(callers[i].thread, NULL);
        check(callers[i].wrong == 0, "caller %d: %ld teams of a wrong size", i, callers[i].wrong);
    }
    check(overlaps == 0, "%d times two callers' teams ran at once", overlaps);
}

// ---------------------------------------------------------------------------------------------------------------
// The barrier

enum { STAGES = 100 };

typedef struct stages {
    apus_barrier barrier;
    int32_t arrived[STAGES]; ///< threads that reached a stage
    int32_t done[STAGES];    ///< runs of the piece of work between two stages
    int32_t wrong;
    int stage; ///< written between stages by the last to arrive, read by all after it
} stages;

static void between(void *context) {
    stages *s = context;
    s->done[s->stage++]++;
}

static void walk(int thread, int n_threads, void *context) {
    stages *s = context;
    for (int i = 0; i < STAGES; i++) {
        if ((thread + i) % 7 == 0) sched_yield();
        __atomic_fetch_add(&s->arrived[i], 1, __ATOMIC_RELAXED);
        apus_barrier_wait(&s->barrier, n_threads, apus_now() - i % 3 * 20000, between, NULL, s);
        // All have arrived, the work between is done, and nobody is a stage further.
        const bool ok =
            __atomic_load_n(&s->arrived[i], __ATOMIC_RELAXED) == n_threads && s->done[i] == 1 && s->stage == i + 1;
        if (!ok) __atomic_fetch_add(&s->wrong, 1, __ATOMIC_RELAXED);
        apus_barrier_wait(&s->barrier, n_threads, i % 2 * apus_now(), NULL, NULL, NULL);
    }
}

static void test_barrier(void) {
    static const int sizes[] = {1, 2, 3, 8};
    for (int round = 0; round < rounds(8); round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            stages s = {0};
            apus_team_run(sizes[i], walk, &s);
            check(s.wrong == 0 && s.stage == STAGES, "barrier of %d: %d wrong, %d of %d stages", sizes[i], s.wrong,
                  s.stage, STAGES);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The process's end

static void work_a_little(int thread, int n_threads, void *context) {
    (void)thread;
    (void)n_threads;
    __atomic_store_n((bool *)context, true, __ATOMIC_RELEASE);
    nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
}

static void *work_for_ever(void *has_begun) {
    for (;;) apus_team_run(2, work_a_little, has_begun);
    return NULL;
}

/// Processes that end while a thread of theirs runs the team: without end_runs() in core/parallel.c every third or
/// fourth crashes on two Zen 5 cores. Before this process has a team, which a fork would not have.
static void test_exit(void) {
    fflush(NULL);
    for (int i = 0; i < rounds(200); i++) {
        const pid_t child = fork();
        if (child == 0) {
            bool has_begun = false;
            pthread_t thread;
            if (pthread_create(&thread, NULL, work_for_ever, &has_begun) != 0) _exit(2);
            while (!__atomic_load_n(&has_begun, __ATOMIC_ACQUIRE))
                nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            exit(0);
        }
        int status = -1;
        check(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "a process that ends beside a run ends with status %x", (unsigned)status);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Plans

enum { DIM = 96, N_OPS = 24, TOKENS = 5 };

/// A chain of norms and products in which every op reads what the one before wrote.
typedef struct chain {
    apus_op ops[N_OPS];
    float *x, *delta, *weight;
    apus_acts acts;
} chain;

static chain make_chain(void) {
    chain c = {.x = edge_floats(TOKENS * DIM), .delta = edge_floats(TOKENS * DIM), .weight = edge_floats(DIM)};
    c.acts = make_outputs(TOKENS, DIM);
    const apus_quant *quant = apus_quant_find(8);
    uint8_t *file = edge_alloc(file_bytes(quant, DIM * DIM));
    random_weights(quant, file, DIM * DIM, false);
    const apus_weights weights = packed_weights(quant, file, DIM, DIM);
    random_floats(c.weight, DIM);
    for (int i = 0; i < N_OPS; i += 2) {
        c.ops[i] = (apus_op){.kind = APUS_OP_rmsnorm,
                             .rmsnorm = {.x = c.x,
                                         .delta = i > 0 ? c.delta : NULL,
                                         .weight = c.weight,
                                         .out = c.acts,
                                         .dim = DIM,
                                         .eps = 1e-5f}};
        c.ops[i + 1] = (apus_op){
            .kind = APUS_OP_matmul,
            .matmul = {.in = c.acts, .products = {{.weights = weights, .out = c.delta, .ld = DIM}}, .n_products = 1}};
    }
    return c;
}

static void start_chain(chain *c) {
    random_state = 5;
    random_floats(c->x, TOKENS * DIM);
    memset(c->delta, 0, TOKENS * DIM * sizeof(float));
}

static uint64_t chain_hash(const chain *c) {
    return apus_hash_floats(apus_hash_floats(APUS_HASH_START, c->x, TOKENS * DIM), c->delta, TOKENS * DIM);
}

/// Every tile is run, and once, however many there are: a norm's, of which each adds 1 to a token.
static void test_shares(void) {
    const size_t keep = edge_count;
    static const size_t counts[] = {2, 3, 7, 64, 1000, 0xfffe, 200003};
    static const int sizes[] = {2, 3, 8};
    const float weight = 1;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const size_t tokens = counts[i];
        float *x = edge_floats(tokens), *ones = edge_floats(tokens);
        for (size_t t = 0; t < tokens; t++) ones[t] = 1;
        memset(x, 0, tokens * sizeof *x);
        const apus_step step = {.n_tokens = (int32_t)tokens};
        apus_op norms[2];
        for (int k = 0; k < 2; k++)
            norms[k] = (apus_op){.kind = APUS_OP_rmsnorm,
                                 .rmsnorm = {.x = x, .delta = ones, .weight = &weight, .dim = 1, .eps = 1e-5f}};
        size_t wrong = 0;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            run_ops(norms, 2, &step, sizes[k]);
            for (size_t t = 0; t < tokens; t++) wrong += x[t] != (float)(2 * (k + 1));
        }
        check(wrong == 0, "%zu tiles: %zu run too often or not at all", tokens, wrong);
    }
    edge_release(keep);
}

static void test_plans(void) {
    const size_t keep = edge_count;
    static const int sizes[] = {1, 2, 3, 8, 2, 1};
    chain c = make_chain();
    const apus_step step = {.n_tokens = TOKENS};
    start_chain(&c);
    check(run_ops(c.ops, N_OPS, &step, 1), "a plan without a flag is not cancelled");
    const uint64_t expected = chain_hash(&c);
    for (int round = 0; round < rounds(15); round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            start_chain(&c);
            check(run_ops(c.ops, N_OPS, &step, sizes[i]) && chain_hash(&c) == expected, "a plan on %d threads differs",
                  sizes[i]);
        }
    }
    check(run_ops(c.ops, 0, &step, 3), "a plan of no ops");
    const apus_step empty = {.n_tokens = 0};
    check(run_ops(c.ops, N_OPS, &empty, 3), "a step of no tokens");

    // A flag that is up stops the run soon: after one op at most. The next run is whole again.
    int32_t flag = 0;
    const apus_step cancellable = {.n_tokens = TOKENS, .cancel = &flag};
    for (int threads = 1; threads <= 3; threads++) {
        start_chain(&c);
        apus_flag_store(&flag, 1);
        check(apus_flag_load(&flag) == 1, "the flag is up");
        check(!run_ops(c.ops, N_OPS, &cancellable, threads), "a plan under a flag reports it, %d threads", threads);
        bool untouched = true;
        for (size_t i = 0; i < TOKENS * DIM; i++) untouched = untouched && c.delta[i] == 0;
        check(untouched, "a plan under a flag ran its second op, %d threads", threads);
        apus_flag_store(&flag, 0);
        start_chain(&c);
        check(run_ops(c.ops, N_OPS, &cancellable, threads) && chain_hash(&c) == expected,
              "a plan with its flag down differs, %d threads", threads);
    }
    edge_release(keep);
}

static void *raise_flag(void *flag) {
    apus_flag_store(flag, 1);
    return NULL;
}

/// From another thread, at any moment: runs stop from then on.
static void test_cancel_from_outside(void) {
    const size_t keep = edge_count;
    chain c = make_chain();
    for (int round = 0; round < rounds(20); round++) {
        int32_t flag = 0;
        const apus_step step = {.n_tokens = TOKENS, .cancel = &flag};
        pthread_t thread;
        if (!check(pthread_create(&thread, NULL, raise_flag, &flag) == 0, "no thread")) break;
        int runs = 0;
        do {
            start_chain(&c);
        } while (run_ops(c.ops, N_OPS, &step, 2) && ++runs < 1000000);
        check(apus_flag_load(&flag) == 1, "a run was stopped by nobody");
        pthread_join(thread, NULL);
    }
    edge_release(keep);
}

// ---------------------------------------------------------------------------------------------------------------
// The machine

static void test_machine(void) {
    const int count = apus_cpu_count();
    check(count >= 1 && count <= APUS_MAX_THREADS, "%d processors", count);
#if defined(APUS_OPENMP)
    const char *wanted = "openmp";
#else
    const char *wanted = "pthreads";
#endif
    check(strcmp(apus_team_backend(), wanted) == 0, "the team runs on %s, wanted %s", apus_team_backend(), wanted);
#if defined(__linux__)
    cpu_set_t mask, one;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return; // more processors than a cpu_set_t holds
    check(count <= CPU_COUNT(&mask), "%d processors, but affinity allows %d", count, CPU_COUNT(&mask));
    CPU_ZERO(&one);
    for (int i = CPU_SETSIZE - 1; i >= 0; i--)
        if (CPU_ISSET(i, &mask)) {
            CPU_SET(i, &one);
            break;
        }
    if (sched_setaffinity(0, sizeof one, &one) != 0) return;
    check(apus_cpu_count() == 1, "%d processors where affinity allows one", apus_cpu_count());
    sched_setaffinity(0, sizeof mask, &mask);
#endif
}

/// Zeroed, writable, aligned to 2 MiB when that large; what cannot be had is NULL.
static void test_pages(void) {
    static const size_t sizes[] = {1, 4096, 4097, (2u << 20) - 1, 2u << 20, (2u << 20) + 1, 5u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *pages = apus_pages_alloc(sizes[i]);
        if (!check(pages != NULL, "no %zu bytes", sizes[i])) continue;
        bool zero = true;
        for (size_t j = 0; j < sizes[i]; j += 511) zero = zero && pages[j] == 0;
        check(zero && pages[sizes[i] - 1] == 0, "%zu bytes are not zeroed", sizes[i]);
        memset(pages, 255, sizes[i]);
        check((uintptr_t)pages % (sizes[i] >= 2u << 20 ? 2u << 20 : 64) == 0, "%zu bytes at %p", sizes[i],
              (void *)pages);
        apus_pages_free(pages, sizes[i]);
    }
    check(apus_pages_alloc(0) == NULL && apus_pages_alloc(SIZE_MAX) == NULL && apus_pages_alloc(SIZE_MAX / 4) == NULL,
          "memory that cannot be had");
    apus_pages_free(NULL, 100);

    // Small pages keep what stands in them when they are merged; whether they can be is the system's business.
    uint8_t *pages = apus_pages_alloc(APUS_HUGE_PAGE);
    if (!check(pages != NULL, "no huge page")) return;
    apus_pages_prefer(pages, APUS_HUGE_PAGE, false);
    for (size_t i = 0; i < APUS_HUGE_PAGE; i++) pages[i] = (uint8_t)(i * 7 >> 3);
    apus_pages_prefer(pages, APUS_HUGE_PAGE, true);
    apus_pages_get(pages);
    const bool merged = apus_pages_merge(pages);
    check(!merged || apus_pages_can_merge(), "pages were merged where the system cannot");
    bool same = true;
    for (size_t i = 0; i < APUS_HUGE_PAGE; i++) same = same && pages[i] == (uint8_t)(i * 7 >> 3);
    check(same, "merged pages hold something else");
    apus_pages_free(pages, APUS_HUGE_PAGE);
}

int main(void) {
    test_exit();
    test_machine();
    test_pages();
    test_sizes();
    test_visibility();
    test_callers();
    test_barrier();
    test_shares();
    test_plans();
    test_cancel_from_outside();
    test_large();
    return test_finish();
}
