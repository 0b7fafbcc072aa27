// Eight threads submit, read, cancel and release at random: stress [SECONDS [SEED]]. For the sanitizers above all.
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8 };

static apus_model *model;
static apus_engine *engine;
static double end_time;
/// Requests that any thread may cancel; handles are never given out twice, so old ones do no harm.
static _Atomic(apus_request *) shared[THREADS];
static _Atomic long n_requests, n_tokens, n_cancelled;

typedef struct worker {
    pthread_t thread;
    int index;
    uint64_t random;
} worker;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/// A number below `limit` (xorshift64*, Vigna 2016).
static unsigned draw(worker *worker, unsigned limit) {
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return (unsigned)((worker->random * 2685821657736338717u) >> 33) % limit;
}

/// What a callback knows: freed when its request has been released, so that a late call would be seen.
typedef struct listener {
    int stop_after;
    int answer;
    int n_tokens;
} listener;

static int32_t on_event(const apus_event *event, void *user) {
    listener *listener = user;
    if (event->token < 0) return 0;
    n_tokens++;
    return ++listener->n_tokens == listener->stop_after ? listener->answer : 0;
}

static void check_end(apus_status status) {
    if (status == APUS_CANCELLED) n_cancelled++;
    CHECK(status == APUS_OK || status == APUS_CANCELLED);
}

/// The same with an event loop's means.
static void watch(worker *worker, apus_request *request) {
    const unsigned most = draw(worker, 24);
    const int counter = eventfd(0, EFD_NONBLOCK);
    for (unsigned i = 0; i < most; i++) {
        CHECK(apus_request_notify(request, counter, 1, NULL) == APUS_OK);
        struct pollfd poll_for = {.fd = counter, .events = POLLIN};
        uint64_t tags;
        if (poll(&poll_for, 1, 1000) == 1 && read(counter, &tags, sizeof tags) < 0) CHECK(0);
        apus_status status;
        do {
            apus_event event = {.size = sizeof event};
            status = apus_request_next(request, 0, &event, NULL);
            if (status == APUS_OK && event.token >= 0) n_tokens++;
        } while (status == APUS_OK);
        if (status == APUS_CLOSED) break;
        CHECK(status == APUS_TIMEOUT);
    }
    CHECK(apus_request_notify(request, -1, 0, NULL) == APUS_OK);
    close(counter);
}

static void pull(worker *worker, apus_request *request) {
    const unsigned most = draw(worker, 24);
    for (unsigned i = 0; i < most; i++) {
        apus_event events[3] = {{.size = sizeof *events}};
        const int64_t timeout = draw(worker, 3) == 0 ? 1000000 : -1;
        size_t count = 1;
        const apus_status status =
            draw(worker, 2) == 0 ? apus_request_next(request, timeout, events, NULL)
                                 : apus_request_take(request, timeout, draw(worker, 3000000), events, 3, &count, NULL);
        if (status == APUS_CLOSED) return;
        CHECK(status == APUS_OK || status == APUS_TIMEOUT);
        for (size_t k = 0; k < count && status == APUS_OK; k++) n_tokens += events[k].token >= 0;
    }
}

static void run_request(worker *worker) {
    static const char *const prompts[] = {"Once upon a time", "The", "def main():", "A letter from the sea"};
    char body[256];
    sprintf(body,
            "{\"endpoint\": \"completions\", \"prompt\": \"%s %u\", \"max_tokens\": %u, \"n\": %u, \"seed\": %u, "
            "\"stream\": %s, \"ignore_eos\": true}",
            prompts[draw(worker, 4)], draw(worker, 4), 1 + draw(worker, 24), 1 + draw(worker, 2), draw(worker, 100),
            draw(worker, 2) == 0 ? "true" : "false");
    listener *listener = NULL;
    if (draw(worker, 2) == 0) {
        listener = malloc(sizeof *listener);
        *listener = (struct listener){.stop_after = 1 + (int)draw(worker, 24), .answer = (int)draw(worker, 3)};
    }
    apus_request *request = NULL;
    const apus_status status =
        apus_engine_submit(engine, body, APUS_NUL_TERMINATED, listener ? on_event : NULL, listener, &request, NULL);
    CHECK(status == APUS_OK);
    n_requests++;
    shared[worker->index] = request;
    if (draw(worker, 4) == 0) apus_request_cancel(shared[draw(worker, THREADS)]);
    if (listener == NULL) (draw(worker, 2) == 0 ? pull : watch)(worker, request);
    switch (draw(worker, 3)) {
    case 0:
        apus_request_cancel(request);
        break;
    case 1: {
        char *reply = NULL;
        check_end(apus_request_wait(request, -1, &reply, NULL));
        apus_free(reply);
        break;
    }
    default:
        break; // released while it runs
    }
    apus_request_release(request);
    free(listener);
}

static void run_session(worker *worker) {
    apus_session *session = NULL, *fork = NULL;
    CHECK(apus_session_create(model, NULL, &session, NULL) == APUS_OK);
    int32_t tokens[8];
    for (int i = 0; i < 8; i++) tokens[i] = (int32_t)draw(worker, 256);
    CHECK(apus_session_eval(session, tokens, 8, 0, NULL) == APUS_OK);
    CHECK(apus_session_fork(session, &fork, NULL) == APUS_OK);
    apus_session *const both[] = {session, fork};
    for (int i = 0; i < 8; i++) {
        int32_t token = 0;
        CHECK(apus_session_sample(both[i % 2], "{\"seed\": 1}", &token, NULL) == APUS_OK);
        CHECK(apus_session_eval(both[i % 2], &token, 1, 0, NULL) == APUS_OK);
    }
    apus_session_release(session);
    apus_session_release(fork);
}

static void *work(void *argument) {
    worker *worker = argument;
    while (now() < end_time) {
        if (draw(worker, 40) == 0) {
            run_session(worker);
        } else {
            run_request(worker);
        }
        if (draw(worker, 20) == 0) {
            char *stats = NULL;
            CHECK(apus_engine_stats(engine, &stats, NULL) == APUS_OK);
            apus_free(stats);
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    const double seconds = count > 1 ? atof(arguments[1]) : 3;
    const uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    alarm(10 * (unsigned)seconds + 120); // a hang is a failure
    model = load_model();
    engine = make_engine(model, NULL);
    end_time = now() + seconds;
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.index = i, .random = (seed * 0x9E3779B97F4A7C15u + (uint64_t)i) | 1};
        for (int k = 0; k < 16; k++) draw(&workers[i], 2);
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    // Released with requests under way.
    apus_request *last = submit(engine, "{\"endpoint\": \"completions\", \"prompt\": \"a\"}", NULL, NULL);
    apus_engine_release(engine);
    apus_request_release(last);
    apus_model_release(model);
    check_no_handles();
    printf("%ld requests, %ld tokens, %ld found cancelled, in %.0f s\n", (long)n_requests, (long)n_tokens,
           (long)n_cancelled, seconds);
    CHECK(n_requests > 0 && n_tokens > 0);
    return result();
}
