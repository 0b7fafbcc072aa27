// Sessions: the same tokens as a request gives, logits row by row, going back, forks and files.
#include "check.h"

#include <pthread.h>

static size_t vocabulary;

static const float *logits(apus_session *session, int64_t index) {
    const float *row = NULL;
    EXPECT(APUS_OK, apus_session_logits(session, index, &row, &vocabulary, &message));
    CHECK(row != NULL && vocabulary == 49152);
    return row;
}

static int is_same(const float *a, const float *b) { return memcmp(a, b, vocabulary * sizeof *a) == 0; }

/// Draws the likeliest token over and over.
static void generate(apus_session *session, int32_t *tokens, int count) {
    for (int i = 0; i < count; i++) {
        EXPECT(APUS_OK, apus_session_sample(session, "{\"temperature\": 0}", &tokens[i], &message));
        EXPECT(APUS_OK, apus_session_eval(session, &tokens[i], 1, 0, &message));
    }
}

static void check_against_request(apus_engine *engine, apus_session *session) {
    const int32_t prompt[] = {1, 504, 6376, 314};
    EXPECT(APUS_OK, apus_session_eval(session, prompt, 4, 0, &message));
    CHECK(apus_session_length(session) == 4);
    int32_t drawn[12];
    generate(session, drawn, 12);
    apus_request *request =
        submit(engine,
               "{\"endpoint\": \"completions\", \"prompt\": [1, 504, 6376, 314], \"temperature\": 0, "
               "\"max_tokens\": 12, \"ignore_eos\": true}",
               NULL, NULL);
    int count = 0;
    for (;;) {
        apus_event event = {.size = sizeof event};
        char *message = NULL;
        const apus_status status = apus_request_next(request, -1, &event, &message);
        apus_free(message);
        if (status != APUS_OK) break;
        if (event.token >= 0) CHECK(count < 12 && drawn[count++] == event.token);
    }
    CHECK(count == 12);
    apus_request_release(request);
}

static void check_rows(apus_session *session) {
    const int32_t tokens[] = {1, 504, 6376, 314, 4461};
    EXPECT(APUS_OK, apus_session_truncate(session, 0, &message));
    EXPECT(APUS_OK, apus_session_eval(session, tokens, 5, APUS_ALL_LOGITS, &message));
    float *kept = malloc(5 * 49152 * sizeof *kept);
    for (int i = 0; i < 5; i++) memcpy(kept + i * 49152, logits(session, i), 49152 * sizeof *kept);
    CHECK(is_same(logits(session, -1), kept + 4 * 49152));
    const float *row = NULL;
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_logits(session, 5, &row, &vocabulary, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_logits(session, -2, &row, &vocabulary, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_truncate(session, 6, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_truncate(session, SIZE_MAX, &message));
    // Going back and on again gives the same bits, token by token too.
    EXPECT(APUS_OK, apus_session_truncate(session, 2, &message));
    for (int i = 2; i < 5; i++) {
        EXPECT(APUS_OK, apus_session_eval(session, &tokens[i], 1, 0, &message));
        CHECK(is_same(logits(session, -1), kept + i * 49152));
    }
    free(kept);
}

static void check_fork_and_file(apus_model *model, apus_session *session) {
    apus_session *fork = NULL, *restored = NULL;
    EXPECT(APUS_OK, apus_session_fork(session, &fork, &message));
    CHECK(apus_session_length(fork) == apus_session_length(session));
    CHECK(is_same(logits(session, -1), logits(fork, -1)));
    const char *path = "session.kv";
    EXPECT(APUS_OK, apus_session_save(session, path, &message));
    int32_t first[8], second[8], third[8];
    generate(session, first, 8);
    generate(fork, second, 8);
    CHECK(memcmp(first, second, sizeof first) == 0);

    EXPECT(APUS_OK, apus_session_create(model, NULL, &restored, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_save(restored, path, &message));
    int32_t token = 0;
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_sample(restored, NULL, &token, &message));
    EXPECT(APUS_OK, apus_session_load(restored, path, &message));
    CHECK(apus_session_length(restored) == 5);
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_sample(restored, NULL, &token, &message));
    EXPECT(APUS_OK, apus_session_eval(restored, first, 1, 0, &message));
    third[0] = first[0];
    generate(restored, third + 1, 7);
    CHECK(memcmp(first, third, sizeof first) == 0);
    CHECK(apus_session_load(restored, "no such file", NULL) != APUS_OK);
    remove(path);
    apus_session_release(fork);
    apus_session_release(restored);
}

typedef struct evaluation {
    apus_session *session;
    apus_status status;
    _Atomic int has_ended;
} evaluation;

static void *evaluate(void *argument) {
    evaluation *evaluation = argument;
    int32_t tokens[900];
    for (int i = 0; i < 900; i++) tokens[i] = i;
    do evaluation->status = apus_session_eval(evaluation->session, tokens, 900, 0, NULL);
    while (evaluation->status == APUS_BUSY); // while the other thread truncates
    evaluation->has_ended = 1;
    return NULL;
}

static void check_sampling(apus_session *session) {
    int32_t token = 0;
    EXPECT(APUS_OK, apus_session_sample(session, "{\"temprature\": 0}", &token, &message));
    EXPECT(APUS_OK, apus_session_sample(session, "{\"temperature\": 0, \"strict\": true}", &token, &message));
    const char *const bad[] = {
        "", "[]", "{\"temperature\": -1}", "{\"top_k\": 1e300}", "{\"temprature\": 0, \"strict\": true}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT(APUS_INVALID_ARGUMENT, apus_session_sample(session, bad[i], &token, &message));
    }
}

static void check_threads(apus_session *session) {
    EXPECT(APUS_OK, apus_session_truncate(session, 0, &message));
    evaluation evaluation = {.session = session};
    pthread_t thread;
    pthread_create(&thread, NULL, evaluate, &evaluation);
    apus_status status;
    do status = apus_session_truncate(session, 0, NULL);
    while (status == APUS_OK); // until the other thread has begun
    CHECK(status == APUS_BUSY);
    while (!evaluation.has_ended) apus_session_cancel(session);
    pthread_join(thread, NULL);
    CHECK(evaluation.status == APUS_CANCELLED);
    apus_session_cancel(session); // nobody computes
    const int32_t token = 1;
    EXPECT(APUS_OK, apus_session_truncate(session, 0, &message));
    EXPECT(APUS_OK, apus_session_eval(session, &token, 1, 0, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_eval(session, NULL, 0, 0, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_eval(session, &token, 1, 8, &message));
    int32_t many[1024] = {0};
    EXPECT(APUS_CONTEXT_FULL, apus_session_eval(session, many, 1024, 0, &message));
    CHECK(apus_session_length(session) == 1);
}

int main(void) {
    apus_model *model = load_model();
    apus_engine *engine = make_engine(model, NULL);
    apus_session *session = NULL;
    EXPECT(APUS_OK, apus_session_create(model, "{\"n_kv\": 2048}", &session, &message));
    check_against_request(engine, session);
    check_rows(session);
    check_sampling(session);
    check_fork_and_file(model, session);
    apus_model_release(model); // the session keeps what it needs
    check_threads(session);
    apus_engine_release(engine);
    apus_session_release(session);
    check_no_handles();
    return result();
}
