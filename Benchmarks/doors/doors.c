// One reply through the C library, for __main__.py: doors pull|take|callback|wait MODEL TOKENS.
// Says "ready" and waits for a line before the reply and after it, so that somebody can look at the threads' times.
#include <apus.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(apus_status status, char *error) {
    if (status == APUS_OK) return;
    fprintf(stderr, "status %d: %s\n", (int)status, error);
    exit(1);
}

static void pause_here(void) {
    puts("ready");
    fflush(stdout);
    for (int c = getchar(); c != '\n'; c = getchar())
        if (c == EOF) exit(1); // nobody looks any more
}

static int32_t count(const apus_event *event, void *user) {
    if (event->token >= 0) ++*(int *)user;
    return 0;
}

static int reply(apus_engine *engine, const char *mode, int tokens) {
    char body[256], *error = NULL;
    snprintf(
        body, sizeof body,
        "{\"endpoint\": \"completions\", \"prompt\": \"The\", \"max_tokens\": %d, \"ignore_eos\": true, \"seed\": 1}",
        tokens);
    apus_request *request = NULL;
    int n = 0;
    must(apus_engine_submit(engine, body, APUS_NUL_TERMINATED, mode[0] == 'c' ? count : NULL, &n, &request, &error),
         error);
    apus_event event = {.size = sizeof event};
    while (mode[0] == 'p' && apus_request_next(request, -1, &event, NULL) == APUS_OK) count(&event, &n);
    apus_event events[32] = {event};
    size_t taken = 0;
    while (mode[0] == 't' && apus_request_take(request, -1, 50000000, events, 32, &taken, NULL) == APUS_OK) {
        for (size_t i = 0; i < taken; i++) count(&events[i], &n);
    }
    must(apus_request_wait(request, -1, NULL, &error), error);
    apus_request_release(request);
    return mode[0] == 'w' ? tokens : n;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    char *error = NULL;
    apus_model *model = NULL;
    apus_engine *engine = NULL;
    must(apus_model_load(argv[2], "{\"n_threads\": 2}", NULL, NULL, &model, &error), error);
    must(apus_engine_create(model, "{\"speculate\": \"off\"}", &engine, &error), error);
    reply(engine, argv[1], 16);
    pause_here();
    const int n = reply(engine, argv[1], atoi(argv[3]));
    pause_here();
    printf("%d\n", n);
    apus_engine_release(engine);
    apus_model_release(model);
    return 0;
}
