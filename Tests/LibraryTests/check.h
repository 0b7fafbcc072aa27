// What the tests of the C library share: checks that say where they failed, and a model to ask.
#ifndef APUS_CHECK_H
#define APUS_CHECK_H

#include <apus.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

/// Notes a condition that does not hold.
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/// Makes a call, whose last argument is `&message`, and checks its status, and that a message comes with errors only.
#define EXPECT(wanted, ...)                                                                                            \
    do {                                                                                                               \
        char *message = (char *)"untouched";                                                                           \
        const apus_status status = __VA_ARGS__;                                                                        \
        check_status(status, wanted, message, #__VA_ARGS__, __LINE__);                                                 \
    } while (0)

static inline void check_status(apus_status status, apus_status wanted, char *message, const char *call, int line) {
    const int has_message = message != NULL;
    if (status != wanted || has_message != (wanted != APUS_OK) || (has_message && *message == '\0')) {
        fprintf(stderr, "line %d: status %" PRId32 ", wanted: %" PRId32 " (%s) of %s\n", line, status, wanted,
                has_message ? message : "no message", call);
        failures++;
    }
    if (has_message && strcmp(message, "untouched") != 0) apus_free(message);
}

/// The path of the model that the tests use.
static inline const char *model_path(void) {
    const char *path = getenv("APUS_TEST_MODEL");
    if (path == NULL) {
        fputs("APUS_TEST_MODEL is not set\n", stderr);
        exit(2);
    }
    return path;
}

static inline apus_model *load_model(void) {
    apus_model *model = NULL;
    EXPECT(APUS_OK, apus_model_load(model_path(), "{\"n_threads\": 2, \"n_ctx\": 1024}", NULL, NULL, &model, &message));
    if (model == NULL) exit(1);
    return model;
}

static inline apus_engine *make_engine(apus_model *model, const char *options) {
    apus_engine *engine = NULL;
    EXPECT(APUS_OK, apus_engine_create(model, options, &engine, &message));
    if (engine == NULL) exit(1);
    return engine;
}

static inline apus_request *submit(apus_engine *engine, const char *body, apus_event_callback callback, void *user) {
    apus_request *request = NULL;
    EXPECT(APUS_OK, apus_engine_submit(engine, body, APUS_NUL_TERMINATED, callback, user, &request, &message));
    if (request == NULL) exit(1);
    return request;
}

/// Checks that nothing is left of any kind.
static inline void check_no_handles(void) {
    char *json = NULL;
    EXPECT(APUS_OK, apus_system_info(&json, &message));
    CHECK(json != NULL && strstr(json, "{\"models\":0,\"engines\":0,\"requests\":0,\"sessions\":0}") != NULL);
    if (failures > 0) fprintf(stderr, "%s\n", json);
    apus_free(json);
}

static inline int result(void) {
    if (failures > 0) fprintf(stderr, "%d checks failed\n", failures);
    return failures == 0 ? 0 : 1;
}

#endif
