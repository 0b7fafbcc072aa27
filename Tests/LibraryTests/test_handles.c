// Every function with NULL, released, foreign and wrong handles, and with arguments that are wrong otherwise: a status
// each, and never a crash.
#include "check.h"

#include <stdint.h>

/// A handle that is none: NULL, released, of another kind, or from elsewhere.
static void check_functions(void *bad) {
    apus_model *model = bad;
    apus_engine *engine = bad;
    apus_request *request = bad;
    apus_session *session = bad;
    const apus_status wrong = APUS_INVALID_ARGUMENT;
    void *const untouched = &failures;
    void *output = untouched;
    char *text = untouched;
    const float *row = untouched;
    size_t count = 7;
    int32_t token = 7;
    float number = 7;
    apus_event event = {.size = sizeof event};

    apus_model_release(model);
    EXPECT(wrong, apus_model_info(model, &text, &message));
    EXPECT(wrong, apus_tokenize(model, "a", 1, 0, &token, 1, &count, &message));
    EXPECT(wrong, apus_detokenize(model, &token, 1, 0, (char *)&number, 4, &count, &message));
    EXPECT(wrong, apus_apply_template(model, "{}", 2, &text, &count, &message));
    EXPECT(wrong, apus_engine_create(model, NULL, (apus_engine **)&output, &message));
    EXPECT(wrong, apus_session_create(model, NULL, (apus_session **)&output, &message));
    apus_engine_release(engine);
    EXPECT(wrong, apus_engine_stats(engine, &text, &message));
    EXPECT(wrong, apus_engine_submit(engine, "{}", 2, NULL, NULL, (apus_request **)&output, &message));
    EXPECT(wrong, apus_embed(engine, &token, 1, &number, 1, &count, &message));
    apus_request_cancel(request);
    apus_request_release(request);
    EXPECT(wrong, apus_request_next(request, 0, &event, &message));
    EXPECT(wrong, apus_request_take(request, 0, 0, &event, 1, &count, &message));
    EXPECT(wrong, apus_request_notify(request, -1, 1, &message));
    EXPECT(wrong, apus_request_wait(request, 0, &text, &message));
    apus_session_cancel(session);
    apus_session_release(session);
    CHECK(apus_session_length(session) == 0);
    EXPECT(wrong, apus_session_eval(session, &token, 1, 0, &message));
    EXPECT(wrong, apus_session_logits(session, -1, &row, &count, &message));
    EXPECT(wrong, apus_session_sample(session, NULL, &token, &message));
    EXPECT(wrong, apus_session_truncate(session, 0, &message));
    EXPECT(wrong, apus_session_fork(session, (apus_session **)&output, &message));
    EXPECT(wrong, apus_session_save(session, "nowhere", &message));
    EXPECT(wrong, apus_session_load(session, "nowhere", &message));
    CHECK(output == untouched && text == untouched && row == untouched);
    CHECK(count == 7 && token == 7 && number == 7);
}

/// The same where there is nobody to take a message.
static void check_without_message(void) {
    CHECK(apus_model_load(NULL, NULL, NULL, NULL, NULL, NULL) == APUS_INVALID_ARGUMENT);
    CHECK(apus_model_info(NULL, NULL, NULL) == APUS_INVALID_ARGUMENT);
    CHECK(apus_request_next(NULL, 0, NULL, NULL) == APUS_INVALID_ARGUMENT);
    CHECK(apus_system_info(NULL, NULL) == APUS_INVALID_ARGUMENT);
    apus_free(NULL);
}

static void check_model(apus_model *model) {
    const apus_status wrong = APUS_INVALID_ARGUMENT;
    apus_model *other = NULL;
    EXPECT(wrong, apus_model_load(NULL, NULL, NULL, NULL, &other, &message));
    EXPECT(wrong, apus_model_load(model_path(), NULL, NULL, NULL, NULL, &message));
    EXPECT(wrong, apus_model_load(model_path(), "{\"n_threads\": 0}", NULL, NULL, &other, &message));
    EXPECT(wrong, apus_model_load(model_path(), "{\"n_threads\": 1000000}", NULL, NULL, &other, &message));
    EXPECT(wrong, apus_model_load(model_path(), "{\"n_ctx\": 1e18}", NULL, NULL, &other, &message));
    EXPECT(wrong, apus_model_load(model_path(), "[", NULL, NULL, &other, &message));
    EXPECT(APUS_IO, apus_model_load("/dev/zero", NULL, NULL, NULL, &other, &message));
    EXPECT(wrong, apus_model_load(model_path(), "{\"strict\": true, \"x\": 1}", NULL, NULL, &other, &message));
    EXPECT(APUS_NOT_FOUND, apus_model_load("no such file.gguf", NULL, NULL, NULL, &other, &message));
    CHECK(other == NULL);

    int32_t tokens[8];
    size_t count = 0;
    char text[8];
    EXPECT(wrong, apus_tokenize(model, NULL, 3, 0, tokens, 8, &count, &message));
    EXPECT(wrong, apus_tokenize(model, "a", 1, 64, tokens, 8, &count, &message));
    EXPECT(wrong, apus_tokenize(model, "a", 1, 0, NULL, 8, &count, &message));
    EXPECT(wrong, apus_tokenize(model, "a", 1, 0, tokens, 8, NULL, &message));
    EXPECT(APUS_TOO_SMALL, apus_tokenize(model, "Hello there", APUS_NUL_TERMINATED, 0, NULL, 0, &count, &message));
    CHECK(count == 2);
    EXPECT(APUS_OK, apus_tokenize(model, NULL, 0, 0, NULL, 0, &count, &message));
    CHECK(count == 0);
    EXPECT(APUS_OK, apus_tokenize(model, "a\0b", 3, 0, tokens, 8, &count, &message));
    EXPECT(APUS_OK, apus_detokenize(model, tokens, count, 0, text, 8, &count, &message));
    CHECK(count == 3 && memcmp(text, "a\0b", 3) == 0);
    tokens[0] = -1;
    EXPECT(wrong, apus_detokenize(model, tokens, 1, 0, text, 8, &count, &message));
    tokens[0] = INT32_MAX;
    EXPECT(wrong, apus_detokenize(model, tokens, 1, 0, text, 8, &count, &message));
    EXPECT(wrong, apus_detokenize(model, NULL, SIZE_MAX, 0, text, 8, &count, &message));
    // The tokens of a part of a character become U+FFFD.
    EXPECT(APUS_OK, apus_tokenize(model, "\xF0\x9F\xA6\x99", 4, 0, tokens, 8, &count, &message));
    EXPECT(APUS_OK, apus_detokenize(model, tokens, count - 1, 0, text, 8, &count, &message));
    CHECK(count == 3 && memcmp(text, "\xEF\xBF\xBD", 3) == 0);

    char *prompt = NULL;
    EXPECT(wrong, apus_apply_template(model, "{}", 2, &prompt, NULL, &message));
    EXPECT(wrong, apus_apply_template(model, NULL, APUS_NUL_TERMINATED, &prompt, NULL, &message));
    CHECK(prompt == NULL);
}

static void check_engine(apus_model *model, apus_engine *engine) {
    const apus_status wrong = APUS_INVALID_ARGUMENT;
    apus_engine *other = NULL;
    EXPECT(wrong, apus_engine_create(model, NULL, NULL, &message));
    EXPECT(wrong, apus_engine_create(model, "{\"n_parallel\": -1}", &other, &message));
    EXPECT(wrong, apus_engine_create(model, "{\"speculate\": \"maybe\"}", &other, &message));
    EXPECT(wrong, apus_engine_create(model, "{\"temperature\": \"hot\"}", &other, &message));
    EXPECT(wrong, apus_engine_create(model, "{\"strict\": true, \"n_gpu_layers\": 1}", &other, &message));
    CHECK(other == NULL);

    apus_request *request = NULL;
    const char *const bad[] = {
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"messages\": \"\"}",
        "{\"messages\": [{\"role\": \"user\", \"content\": 7}]}",
        "{\"endpoint\": \"images\"}",
        "{\"endpoint\": \"completions\"}",
        "{\"endpoint\": \"completions\", \"prompt\": [1, -1]}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"n\": 0}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"temperature\": -1}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"temprature\": 1, \"strict\": true}",
        "{\"endpoint\": \"embeddings\", \"input\": \"a\", \"inputs\": 1, \"strict\": true}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"n_keep\": 1, \"strict\": true}",
        "{\"endpoint\": \"embeddings\"}",
        "{\"endpoint\": \"completions\", \"prompt\": \"\xff\"}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"seed\": 1e30}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"top_k\": 1e400}",
        "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"logit_bias\": {\"-1\": 1}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT(wrong, apus_engine_submit(engine, bad[i], APUS_NUL_TERMINATED, NULL, NULL, &request, &message));
    }
    EXPECT(wrong, apus_engine_submit(engine, NULL, 4, NULL, NULL, &request, &message));
    EXPECT(wrong, apus_engine_submit(engine, "{}", 2, NULL, NULL, NULL, &message));
    char *body = malloc(40000);
    char *end = body + sprintf(body, "{\"endpoint\": \"completions\", \"prompt\": [1");
    for (int i = 0; i < 2000; i++) end += sprintf(end, ", 1");
    sprintf(end, "]}");
    EXPECT(APUS_CONTEXT_FULL, apus_engine_submit(engine, body, APUS_NUL_TERMINATED, NULL, NULL, &request, &message));
    free(body);
    CHECK(request == NULL);

    int32_t tokens[2] = {1, INT32_MAX};
    float vector[4];
    size_t size = 0;
    EXPECT(APUS_TOO_SMALL, apus_embed(engine, tokens, 1, vector, 4, &size, &message));
    CHECK(size == 576);
    EXPECT(wrong, apus_embed(engine, tokens, 1, vector, 4, NULL, &message));
    float *whole = malloc(size * sizeof *whole);
    EXPECT(wrong, apus_embed(engine, tokens, 0, whole, size, &size, &message));
    EXPECT(wrong, apus_embed(engine, tokens, 2, whole, size, &size, &message));
    EXPECT(wrong, apus_embed(engine, tokens, 1, NULL, size, &size, &message));
    free(whole);
}

static void check_events(apus_engine *engine) {
    apus_request *request =
        submit(engine, "{\"endpoint\": \"completions\", \"prompt\": \"a\", \"max_tokens\": 2}", NULL, NULL);
    size_t count = 7;
    const uint32_t sizes[] = {0, 1, 8, sizeof(apus_event) - 1, 4096, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        apus_event event = {.size = sizes[i]};
        EXPECT(APUS_INVALID_ARGUMENT, apus_request_next(request, -1, &event, &message));
        EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, -1, 0, &event, 1, &count, &message));
    }
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_next(request, -1, NULL, &message));
    // A later version's struct, which has more members.
    struct {
        apus_event event;
        char more[64];
    } larger[3];
    memset(larger, 0x55, sizeof larger);
    larger[0].event.size = sizeof *larger;
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, -1, 0, NULL, 1, &count, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, -1, 0, &larger[0].event, 1, NULL, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, -1, 0, &larger[0].event, 0, &count, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, -1, 0, &larger[0].event, SIZE_MAX, &count, &message));
    CHECK(count == 7);
    EXPECT(APUS_OK, apus_request_next(request, -1, &larger[0].event, &message));
    CHECK(larger[0].event.size == sizeof *larger && larger[0].more[0] == 0x55 && larger[0].more[63] == 0x55);
    EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));
    EXPECT(APUS_OK, apus_request_take(request, -1, 0, &larger[0].event, 2, &count, &message));
    CHECK(count == 2 && larger[1].event.size == sizeof *larger && larger[0].more[0] == 0x55);
    CHECK(larger[1].more[63] == 0x55 && larger[2].event.size == 0x55555555);
    apus_request_release(request);
}

int main(void) {
    CHECK(apus_abi_version() == (APUS_ABI_MAJOR << 16 | APUS_ABI_MINOR));
    CHECK(strchr(apus_version(), '.') != NULL);
    apus_model *model = load_model();
    apus_engine *engine = make_engine(model, NULL);
    apus_session *session = NULL;
    EXPECT(APUS_OK, apus_session_create(model, NULL, &session, &message));
    apus_request *request = submit(engine, "{\"endpoint\": \"embeddings\", \"input\": \"a\"}", NULL, NULL);
    EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));

    check_without_message();
    check_model(model);
    check_engine(model, engine);
    check_events(engine);

    int here = 0;
    int *const elsewhere = malloc(sizeof *elsewhere);
    check_functions(NULL);
    check_functions(&here);
    check_functions(elsewhere);
    check_functions((void *)(uintptr_t)1);
    check_functions((void *)UINTPTR_MAX);
    free(elsewhere);
    // Of another kind: each function is tried with a handle that is none of its own.
    EXPECT(APUS_INVALID_ARGUMENT, apus_session_eval((apus_session *)model, NULL, 0, 0, &message));
    char *json = NULL;
    EXPECT(APUS_INVALID_ARGUMENT, apus_engine_stats((apus_engine *)session, &json, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_wait((apus_request *)engine, 0, &json, &message));
    EXPECT(APUS_INVALID_ARGUMENT, apus_model_info((apus_model *)request, &json, &message));
    apus_model_release((apus_model *)engine);
    apus_engine_release((apus_engine *)model);
    EXPECT(APUS_OK, apus_engine_stats(engine, &json, &message));
    apus_free(json);

    apus_session_release(session);
    apus_request_release(request);
    apus_engine_release(engine);
    apus_model_release(model);
    check_functions(session);
    check_functions(request);
    check_functions(engine);
    check_functions(model);
    check_no_handles();
    return result();
}
