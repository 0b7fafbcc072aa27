// A forked process gets APUS_FORKED instead of a hang, and its parent goes on; one that is forked before loading works
// itself. A process that can have no more threads gets a status too.
#define _DEFAULT_SOURCE
#include "check.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for(pid_t child) {
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

/// Generates three tokens.
static void check_generating(apus_engine *engine) {
    apus_request *request =
        submit(engine, "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"max_tokens\": 3}", NULL, NULL);
    EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));
    apus_request_release(request);
}

static void check_child(apus_model *model, apus_engine *engine, apus_request *request, apus_session *session) {
    alarm(20); // a hang is a failure
    char *text = NULL;
    const int32_t token = 1;
    int32_t drawn = 0;
    size_t count = 0;
    float number = 0;
    const float *row = NULL;
    apus_event event = {.size = sizeof event};
    EXPECT(APUS_FORKED, apus_system_info(&text, &message));
    EXPECT(APUS_FORKED, apus_model_load(model_path(), NULL, NULL, NULL, &model, &message));
    EXPECT(APUS_FORKED, apus_model_info(model, &text, &message));
    EXPECT(APUS_FORKED, apus_tokenize(model, "a", 1, 0, NULL, 0, &count, &message));
    EXPECT(APUS_FORKED, apus_detokenize(model, &token, 1, 0, NULL, 0, &count, &message));
    EXPECT(APUS_FORKED, apus_apply_template(model, "{}", 2, &text, NULL, &message));
    EXPECT(APUS_FORKED, apus_engine_create(model, NULL, &engine, &message));
    EXPECT(APUS_FORKED, apus_engine_stats(engine, &text, &message));
    EXPECT(APUS_FORKED, apus_engine_submit(engine, "{}", 2, NULL, NULL, &request, &message));
    EXPECT(APUS_FORKED, apus_request_next(request, -1, &event, &message));
    EXPECT(APUS_FORKED, apus_request_take(request, -1, 0, &event, 1, &count, &message));
    EXPECT(APUS_FORKED, apus_request_notify(request, -1, 1, &message));
    EXPECT(APUS_FORKED, apus_request_wait(request, -1, NULL, &message));
    EXPECT(APUS_FORKED, apus_embed(engine, &token, 1, &number, 1, &count, &message));
    EXPECT(APUS_FORKED, apus_session_create(model, NULL, &session, &message));
    EXPECT(APUS_FORKED, apus_session_eval(session, &token, 1, 0, &message));
    EXPECT(APUS_FORKED, apus_session_logits(session, -1, &row, &count, &message));
    EXPECT(APUS_FORKED, apus_session_sample(session, NULL, &drawn, &message));
    EXPECT(APUS_FORKED, apus_session_truncate(session, 0, &message));
    EXPECT(APUS_FORKED, apus_session_fork(session, &session, &message));
    EXPECT(APUS_FORKED, apus_session_save(session, "nowhere", &message));
    EXPECT(APUS_FORKED, apus_session_load(session, "nowhere", &message));
    CHECK(apus_session_length(session) == 0);
    CHECK(apus_abi_version() >> 16 == APUS_ABI_MAJOR && apus_version() != NULL);
    apus_set_log_callback(NULL, NULL);
    apus_request_cancel(request);
    apus_request_release(request);
    apus_session_cancel(session);
    apus_session_release(session);
    apus_engine_release(engine);
    apus_model_release(model);
}

static int32_t on_event(const apus_event *event, void *user) {
    (void)event, (void)user;
    return 0;
}

/// In a process that may have no other thread than it has: a status, and no crash.
static void check_without_threads(int loads_before) {
    alarm(60);
    // Root may have any number.
    if (getuid() == 0) CHECK(setgid(54321) == 0 && setuid(54321) == 0);
    if (access(model_path(), R_OK) != 0) return; // in a folder of root's
    const struct rlimit none = {1, 1};
    apus_model *model = NULL;
    if (!loads_before) {
        CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
        EXPECT(APUS_OUT_OF_MEMORY, apus_model_load(model_path(), NULL, NULL, NULL, &model, &message));
        CHECK(model == NULL);
        return;
    }
    model = load_model();
    apus_engine *engine = make_engine(model, NULL);
    check_generating(engine);
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    apus_request *request = NULL;
    EXPECT(APUS_OUT_OF_MEMORY, apus_engine_submit(engine, "{\"endpoint\": \"completions\", \"prompt\": \"a\"}",
                                                  APUS_NUL_TERMINATED, on_event, NULL, &request, &message));
    CHECK(request == NULL);
    check_generating(engine);
    apus_engine_release(engine);
    apus_model_release(model);
}

int main(void) {
    for (int loads_before = 0; loads_before < 2; loads_before++) {
        const pid_t child = fork();
        if (child == 0) {
            check_without_threads(loads_before);
            _exit(result());
        }
        CHECK(wait_for(child) == 0);
    }
    // Before anything is loaded a fork is nothing special.
    const pid_t early = fork();
    if (early == 0) {
        alarm(60);
        apus_model *model = load_model();
        apus_engine *engine = make_engine(model, NULL);
        check_generating(engine);
        apus_engine_release(engine);
        apus_model_release(model);
        _exit(result());
    }
    CHECK(wait_for(early) == 0);

    apus_model *model = load_model();
    apus_engine *engine = make_engine(model, NULL);
    apus_session *session = NULL;
    EXPECT(APUS_OK, apus_session_create(model, NULL, &session, &message));
    // Forks while requests run, at moments when any lock may be held.
    for (int i = 0; i < 8; i++) {
        apus_request *request = submit(
            engine, "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"max_tokens\": 30, \"ignore_eos\": true}",
            NULL, NULL);
        apus_event event = {.size = sizeof event};
        for (int k = 0; k <= i; k++) EXPECT(APUS_OK, apus_request_next(request, -1, &event, &message));
        const pid_t child = fork();
        if (child == 0) {
            check_child(model, engine, request, session);
            _exit(result());
        }
        CHECK(wait_for(child) == 0);
        EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));
        apus_request_release(request);
    }
    check_generating(engine);
    apus_session_release(session);
    apus_engine_release(engine);
    apus_model_release(model);
    check_no_handles();
    return result();
}
