// Requests: pulled and pushed events tell the same reply, every way to end one, and what the endpoints give.
#include "check.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/// What came of a request.
typedef struct reply {
    char text[4096];
    size_t length;
    int32_t tokens[512];
    int n_tokens, n_chunks, n_progress, n_ends, last_kind;
    apus_status status;
    int stop_after, answer; ///< after how many tokens the callback answers what
    apus_request *cancels;  ///< what the callback cancels then
    apus_engine *waits;     ///< of which engine the callback waits for a request
} reply;

static int is_utf8(const char *text, size_t length) {
    for (size_t i = 0; i < length;) {
        const unsigned char first = (unsigned char)text[i];
        const size_t bytes = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
        if (bytes == 0 || bytes > length - i) return 0;
        for (size_t k = 1; k < bytes; k++) {
            if ((unsigned char)text[i + k] >> 6 != 2) return 0;
        }
        i += bytes;
    }
    return 1;
}

static void take(const apus_event *event, reply *reply) {
    CHECK(event->size == sizeof *event);
    CHECK(reply->n_ends == 0); // nothing comes after the last event
    reply->last_kind = event->kind;
    if (event->token >= 0) reply->tokens[reply->n_tokens++] = event->token;
    CHECK(event->text == NULL || event->text[event->text_len] == '\0');
    CHECK(event->json == NULL || event->json[event->json_len] == '\0');
    switch (event->kind) {
    case APUS_EVENT_TEXT:
        CHECK(event->text_len > 0 && is_utf8(event->text, event->text_len));
        memcpy(reply->text + reply->length, event->text, event->text_len + 1);
        reply->length += event->text_len;
        break;
    case APUS_EVENT_TOKEN:
        CHECK(event->text_len == 0 && event->token >= 0);
        break;
    case APUS_EVENT_CHUNK:
        CHECK(strstr(event->json, "\"chat.completion.chunk\"") != NULL);
        reply->n_chunks++;
        break;
    case APUS_EVENT_PROGRESS:
        CHECK(strstr(event->json, "\"processed\"") != NULL);
        reply->n_progress++;
        break;
    case APUS_EVENT_DONE:
    case APUS_EVENT_ERROR:
        reply->n_ends++;
        reply->status = event->status;
        CHECK((event->status == APUS_OK) == (event->kind == APUS_EVENT_DONE));
        break;
    default:
        CHECK(0);
    }
}

static int32_t on_event(const apus_event *event, void *user) {
    reply *reply = user;
    take(event, reply);
    if (reply->stop_after == 0 || reply->n_tokens != reply->stop_after) return 0;
    if (reply->waits != NULL) {
        apus_request *other = submit(reply->waits, "{\"endpoint\": \"completions\", \"prompt\": \"a\"}", NULL, NULL);
        EXPECT(APUS_BUSY, apus_request_wait(other, -1, NULL, &message));
        apus_request_release(other);
    }
    apus_request_cancel(reply->cancels);
    return reply->answer;
}

static apus_status pull(apus_request *request, reply *reply) {
    for (;;) {
        apus_event event = {.size = sizeof event};
        char *message = NULL;
        const apus_status status = apus_request_next(request, -1, &event, &message);
        apus_free(message);
        if (status != APUS_OK) return status;
        take(&event, reply);
    }
}

static char *wait_for(apus_request *request) {
    char *json = NULL;
    EXPECT(APUS_OK, apus_request_wait(request, -1, &json, &message));
    return json != NULL ? json : calloc(1, 1);
}

#define CHAT                                                                                                           \
    "{\"messages\": [{\"role\": \"user\", \"content\": \"Say: \\u2603 \xF0\x9F\xA6\x99\"}], \"temperature\": 0, "

/// Pulled, pushed and streamed events tell the same.
static void check_same(apus_engine *engine) {
    static reply pulled, pushed, streamed;
    apus_request *request = submit(engine, CHAT "\"max_tokens\": 40, \"logprobs\": true}", NULL, NULL);
    CHECK(pull(request, &pulled) == APUS_CLOSED);
    CHECK(pulled.last_kind == APUS_EVENT_DONE && pulled.n_ends == 1 && pulled.n_chunks == 0 && pulled.n_progress == 0);
    char *json = wait_for(request);
    CHECK(strstr(json, "\"chat.completion\"") != NULL && strstr(json, "\"usage\"") != NULL);
    CHECK(strstr(json, "\"logprobs\":{\"content\"") != NULL);
    apus_free(json);
    apus_request_release(request);

    request = submit(engine, CHAT "\"max_tokens\": 40}", on_event, &pushed);
    EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));
    CHECK(pushed.n_ends == 1); // the callback has had the last event when waiting ends
    apus_event event = {.size = sizeof event};
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_next(request, 0, &event, &message));
    apus_request_release(request);

    request = submit(engine, CHAT "\"max_tokens\": 40, \"stream\": true, \"return_progress\": true}", NULL, NULL);
    CHECK(pull(request, &streamed) == APUS_CLOSED);
    CHECK(streamed.n_chunks > 3 && streamed.n_progress > 0);
    apus_request_release(request);

    CHECK(pulled.n_tokens > 5 && pulled.length > 0);
    const reply *const others[] = {&pushed, &streamed};
    for (int i = 0; i < 2; i++) {
        CHECK(others[i]->n_tokens == pulled.n_tokens && strcmp(others[i]->text, pulled.text) == 0);
        CHECK(memcmp(others[i]->tokens, pulled.tokens, sizeof pulled.tokens) == 0);
    }
}

#define LONG                                                                                                           \
    "{\"endpoint\": \"/v1/completions\", \"prompt\": \"Once\", \"max_tokens\": 900, \"ignore_eos\": true, "            \
    "\"temperature\": 0}"

/// Calls off in every way.
static void check_cancelling(apus_engine *engine) {
    apus_request *request = submit(engine, LONG, NULL, NULL);
    EXPECT(APUS_TIMEOUT, apus_request_wait(request, 0, NULL, &message));
    EXPECT(APUS_TIMEOUT, apus_request_wait(request, 1000000, NULL, &message));
    apus_request_cancel(request);
    apus_request_cancel(request);
    EXPECT(APUS_CANCELLED, apus_request_wait(request, -1, NULL, &message));
    static reply pulled;
    CHECK(pull(request, &pulled) == APUS_CLOSED && pulled.last_kind == APUS_EVENT_ERROR);
    CHECK(pulled.status == APUS_CANCELLED);
    apus_request_cancel(request); // after the end
    apus_request_release(request);

    for (int answer = 1; answer <= 2; answer++) {
        reply pushed = {.stop_after = 5, .answer = answer};
        request = submit(engine, LONG, on_event, &pushed);
        char *json = NULL;
        EXPECT(answer == 1 ? APUS_OK : APUS_CANCELLED, apus_request_wait(request, -1, &json, &message));
        if (answer == 1) {
            CHECK(pushed.n_tokens == 5 && pushed.last_kind == APUS_EVENT_DONE);
            CHECK(json != NULL && strstr(json, "\"finish_reason\":\"stop\"") != NULL &&
                  strstr(json, pushed.text) != NULL);
        } else {
            CHECK(pushed.last_kind == APUS_EVENT_ERROR && json == NULL);
        }
        apus_free(json);
        apus_request_release(request);
    }
    // A callback cancels another request, and may not wait for its own engine.
    apus_request *other = submit(engine, LONG, NULL, NULL);
    reply pushed = {.stop_after = 3, .cancels = other, .waits = engine, .answer = 1};
    request = submit(engine, LONG, on_event, &pushed);
    EXPECT(APUS_CANCELLED, apus_request_wait(other, -1, NULL, &message));
    EXPECT(APUS_OK, apus_request_wait(request, -1, NULL, &message));
    apus_request_release(other);
    apus_request_release(request);
}

/// Whether a descriptor can be read from, within a time.
static int is_readable(int descriptor, int milliseconds) {
    struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
    return poll(&poll_for, 1, milliseconds) == 1;
}

/// Takes what there is without waiting.
static apus_status take_all(apus_request *request, reply *reply) {
    for (;;) {
        apus_event event = {.size = sizeof event};
        const apus_status status = apus_request_next(request, 0, &event, NULL);
        if (status != APUS_OK) return status;
        take(&event, reply);
    }
}

/// An event loop: two requests tell of their events through one pipe, another one through an eventfd.
static void check_notifying(apus_engine *engine) {
    static reply pulled, watched[2], counted;
    apus_request *request = submit(engine, CHAT "\"max_tokens\": 12}", NULL, NULL);
    CHECK(pull(request, &pulled) == APUS_CLOSED);
    apus_request_release(request);

    int ends[2];
    CHECK(pipe(ends) == 0);
    apus_request *requests[2];
    for (uint64_t i = 0; i < 2; i++) {
        requests[i] = submit(engine, CHAT "\"max_tokens\": 12}", NULL, NULL);
        EXPECT(APUS_OK, apus_request_notify(requests[i], ends[1], i, &message));
    }
    uint64_t tag = 0;
    int n_tags = 0;
    for (int n_closed = 0; n_closed < 2 && failures == 0; n_tags++) {
        CHECK(is_readable(ends[0], 60000) && read(ends[0], &tag, sizeof tag) == sizeof tag && tag < 2);
        const apus_status status = take_all(requests[tag], &watched[tag]);
        CHECK(status == APUS_TIMEOUT || status == APUS_CLOSED);
        n_closed += status == APUS_CLOSED;
        if (status == APUS_TIMEOUT) EXPECT(APUS_OK, apus_request_notify(requests[tag], ends[1], tag, &message));
    }
    CHECK(n_tags > 4 && n_tags <= 2 * (12 + 3));
    for (uint64_t i = 0; i < 2; i++) {
        CHECK(watched[i].n_tokens == pulled.n_tokens && strcmp(watched[i].text, pulled.text) == 0);
        CHECK(memcmp(watched[i].tokens, pulled.tokens, sizeof pulled.tokens) == 0 && watched[i].n_ends == 1);
        CHECK(!is_readable(ends[0], 0));
        // After the end there is that to say.
        EXPECT(APUS_OK, apus_request_notify(requests[i], ends[1], i, &message));
        CHECK(is_readable(ends[0], 0) && read(ends[0], &tag, sizeof tag) == sizeof tag && tag == i);
        apus_request_release(requests[i]);
    }
    // The release of a request wakes who watches, and nothing is written after it.
    request = submit(engine, LONG, NULL, NULL);
    EXPECT(APUS_OK, apus_request_notify(request, ends[1], 7, &message));
    apus_request_release(request);
    CHECK(is_readable(ends[0], 0) && read(ends[0], &tag, sizeof tag) == sizeof tag && tag == 7);
    CHECK(!is_readable(ends[0], 50));
    close(ends[0]);
    close(ends[1]);

    const int counter = eventfd(0, EFD_NONBLOCK);
    request = submit(engine, LONG, NULL, NULL);
    EXPECT(APUS_OK, apus_request_notify(request, counter, 1, &message));
    CHECK(is_readable(counter, 60000) && read(counter, &tag, sizeof tag) == sizeof tag && tag == 1);
    CHECK(!is_readable(counter, 50)); // it is told once, whatever comes
    EXPECT(APUS_OK, apus_request_notify(request, counter, 1, &message));
    CHECK(is_readable(counter, 0) && read(counter, &tag, sizeof tag) == sizeof tag); // there is something
    while (take_all(request, &counted) != APUS_TIMEOUT) {
    }
    EXPECT(APUS_OK, apus_request_notify(request, counter, 1, &message));
    EXPECT(APUS_OK, apus_request_notify(request, -1, 0, &message));
    if (read(counter, &tag, sizeof tag) < 0) tag = 0; // there is one if an event was quicker
    CHECK(!is_readable(counter, 50));
    close(counter);
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_notify(request, counter, 1, &message));
    apus_request_release(request);

    reply pushed = {0};
    request = submit(engine, CHAT "\"max_tokens\": 2}", on_event, &pushed);
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_notify(request, -1, 1, &message));
    apus_request_release(request);
}

static void *cancel_in_thread(void *request) {
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    apus_request_cancel(request);
    return NULL;
}

/// Several events at once are the same as one after another, and gathering them has ends.
static void check_taking(apus_engine *engine) {
    static reply pulled;
    apus_request *request = submit(engine, CHAT "\"max_tokens\": 40, \"stream\": true}", NULL, NULL);
    CHECK(pull(request, &pulled) == APUS_CLOSED);
    apus_request_release(request);
    apus_event events[128] = {{.size = sizeof *events}};
    size_t count = 0;
    const struct {
        size_t capacity;
        int64_t pace;
    } ways[] = {{1, 0}, {3, 0}, {1, 20000000}, {128, 20000000}, {128, INT64_MAX}, {2, INT64_MAX}, {5, INT64_MIN}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        static reply taken;
        memset(&taken, 0, sizeof taken);
        request = submit(engine, CHAT "\"max_tokens\": 40, \"stream\": true}", NULL, NULL);
        int n_calls = 0;
        apus_status status;
        while ((status = apus_request_take(request, -1, ways[i].pace, events, ways[i].capacity, &count, NULL)) ==
               APUS_OK) {
            n_calls++;
            CHECK(count > 0 && count <= ways[i].capacity);
            for (size_t k = 0; k < count; k++) take(&events[k], &taken);
        }
        CHECK(status == APUS_CLOSED && taken.n_tokens == pulled.n_tokens && taken.n_chunks == pulled.n_chunks);
        CHECK(strcmp(taken.text, pulled.text) == 0 && taken.last_kind == APUS_EVENT_DONE);
        CHECK(memcmp(taken.tokens, pulled.tokens, sizeof pulled.tokens) == 0);
        // The first come as they are: three calls, unless this thread is stopped for long. Then the rest, if there is
        // room.
        if (ways[i].pace == INT64_MAX && ways[i].capacity == 128) CHECK(n_calls < 8 && taken.n_tokens > 15);
        apus_request_release(request);
    }

    request = submit(engine, LONG, NULL, NULL);
    EXPECT(APUS_OK, apus_request_take(request, -1, INT64_MAX, events, 128, &count, &message));
    const apus_status in_time = apus_request_take(request, 1000000, INT64_MAX, events, 128, &count, NULL);
    CHECK(in_time == APUS_OK || in_time == APUS_TIMEOUT);
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_in_thread, request);
    while (apus_request_take(request, -1, INT64_MAX, events, 128, &count, NULL) == APUS_OK) {
    }
    CHECK(events[count - 1].kind == APUS_EVENT_ERROR && events[count - 1].status == APUS_CANCELLED);
    pthread_join(thread, NULL);
    apus_request_release(request);

    reply pushed = {0};
    request = submit(engine, CHAT "\"max_tokens\": 2}", on_event, &pushed);
    EXPECT(APUS_INVALID_ARGUMENT, apus_request_take(request, 0, 0, events, 128, &count, &message));
    apus_request_release(request);
}

typedef struct waiter {
    apus_request *request;
    apus_status status;
} waiter;

static void *wait_in_thread(void *argument) {
    waiter *waiter = argument;
    apus_event event = {.size = sizeof event};
    do {
        waiter->status = apus_request_next(waiter->request, -1, &event, NULL);
    } while (waiter->status == APUS_OK && event.kind != APUS_EVENT_ERROR);
    if (waiter->status == APUS_OK) waiter->status = event.status;
    return NULL;
}

/// Releases what others wait for, and engines with requests.
static void check_releasing(apus_model *model) {
    apus_engine *engine = make_engine(model, "{\"n_parallel\": 1, \"max_queue\": 1, \"model\": \"mine\"}");
    waiter waiter = {.request = submit(engine, LONG, NULL, NULL)};
    apus_request *queued = submit(engine, LONG, NULL, NULL);
    apus_request *refused = NULL;
    EXPECT(APUS_BUSY, apus_engine_submit(engine, LONG, APUS_NUL_TERMINATED, NULL, NULL, &refused, &message));
    pthread_t thread;
    pthread_create(&thread, NULL, wait_in_thread, &waiter);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    apus_event event = {.size = sizeof event};
    EXPECT(APUS_BUSY, apus_request_next(waiter.request, 0, &event, &message));
    apus_request_release(waiter.request);
    pthread_join(thread, NULL);
    CHECK(waiter.status == APUS_CANCELLED || waiter.status == APUS_INVALID_ARGUMENT);

    reply pushed = {0};
    apus_request *calling = NULL;
    apus_status status;
    do status = apus_engine_submit(engine, LONG, APUS_NUL_TERMINATED, on_event, &pushed, &calling, NULL);
    while (status == APUS_BUSY); // until the released one has ended
    CHECK(status == APUS_OK);
    apus_engine_release(engine);
    CHECK(pushed.last_kind == APUS_EVENT_ERROR && pushed.status == APUS_CANCELLED);
    EXPECT(APUS_CANCELLED, apus_request_wait(queued, -1, NULL, &message));
    apus_request_release(queued);
    apus_request_release(calling);
}

/// The other endpoints, several choices and prompts, and vectors of both kinds.
static void check_endpoints(apus_model *model, apus_engine *engine) {
    apus_request *request =
        submit(engine, "{\"endpoint\": \"completions\", \"prompt\": [\"a\", [1, 2]], \"n\": 2, \"max_tokens\": 3}",
               NULL, NULL);
    char *json = wait_for(request);
    for (int i = 0; i < 4; i++) {
        char index[32];
        sprintf(index, "\"index\":%d", i);
        CHECK(strstr(json, index) != NULL);
    }
    apus_free(json);
    apus_request_release(request);

    request = submit(engine, "{\"endpoint\": \"embeddings\", \"input\": \"Hello there\"}", NULL, NULL);
    json = wait_for(request);
    const char *place = strstr(json, "\"embedding\":[");
    CHECK(place != NULL);
    const double first = place != NULL ? strtod(strchr(place, '[') + 1, NULL) : 0;
    apus_free(json);
    apus_request_release(request);
    int32_t tokens[8];
    size_t count = 0, size = 0;
    float vector[576];
    EXPECT(APUS_OK,
           apus_tokenize(model, "Hello there", APUS_NUL_TERMINATED, APUS_ADD_SPECIAL, tokens, 8, &count, &message));
    EXPECT(APUS_OK, apus_embed(engine, tokens, count, vector, 576, &size, &message));
    double sum = 0;
    for (size_t i = 0; i < 576; i++) sum += (double)vector[i] * vector[i];
    CHECK(size == 576 && fabs(sum - 1) < 1e-5 && fabs(vector[0] - first) < 1e-7);

    char *prompt = NULL;
    size_t length = 0;
    EXPECT(APUS_OK, apus_apply_template(model, CHAT "\"x\": null}", APUS_NUL_TERMINATED, &prompt, &length, &message));
    CHECK(prompt != NULL && strlen(prompt) == length &&
          strstr(prompt, "<|im_start|>user\nSay: \xE2\x98\x83 \xF0\x9F\xA6\x99<|im_end|>"));
    apus_free(prompt);
    EXPECT(APUS_OK, apus_engine_stats(engine, &json, &message));
    CHECK(strstr(json, "\"tokens_generated\"") != NULL);
    apus_free(json);
}

static int n_lines, n_progress;
static float last_progress;
static void on_log(int32_t level, const char *message, size_t length, void *user) {
    CHECK(user == &n_lines && level >= 1 && level <= 3 && strlen(message) == length);
    n_lines++;
}

static int32_t on_progress(float progress, void *user) {
    CHECK(progress >= last_progress && progress <= 1);
    last_progress = progress;
    return ++n_progress == *(int *)user;
}

static void check_loading(void) {
    apus_set_log_callback(on_log, &n_lines);
    apus_model *model = NULL;
    int calls = 0;
    EXPECT(APUS_OK, apus_model_load(model_path(), "{\"unknown\": 1}", on_progress, &calls, &model, &message));
    CHECK(n_progress > 1 && last_progress == 1 && n_lines >= 2);
    char *json = NULL;
    EXPECT(APUS_OK, apus_model_info(model, &json, &message));
    CHECK(strstr(json, "\"n_vocab\":49152") != NULL && strstr(json, "\"general.architecture\":\"llama\"") != NULL);
    apus_free(json);
    apus_model_release(model);
    apus_set_log_callback(NULL, NULL);
    calls = n_progress + 1;
    last_progress = 0;
    model = NULL;
    EXPECT(APUS_CANCELLED, apus_model_load(model_path(), NULL, on_progress, &calls, &model, &message));
    CHECK(model == NULL);
}

int main(void) {
    check_loading();
    apus_model *model = load_model();
    apus_engine *engine = make_engine(model, "{\"max_tokens\": 16}");
    check_same(engine);
    check_cancelling(engine);
    check_notifying(engine);
    check_taking(engine);
    check_endpoints(model, engine);
    check_releasing(model);
    apus_engine_release(engine);
    apus_model_release(model);
    check_no_handles();
    return result();
}
