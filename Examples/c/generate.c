// Generates a reply to a question and writes it as it comes: generate MODEL QUESTION [TOKENS [ids]]
// With `ids` it writes the tokens' numbers instead. Build: cc generate.c $(pkg-config --cflags --libs apus)
#include <apus.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Writes a text as JSON has it; returns the end of what it wrote, at most 6 bytes for each of the text and 2 more.
static char *write_json(char *out, const char *text) {
    *out++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') *out++ = '\\';
        if ((unsigned char)*text < 0x20) {
            out += sprintf(out, "\\u%04x", (unsigned)*text);
        } else {
            *out++ = *text;
        }
    }
    *out++ = '"';
    return out;
}

/// The request, to be freed; NULL without memory.
static char *make_request(const char *question, const char *tokens) {
    char *request = malloc(6 * strlen(question) + strlen(tokens) + 128);
    if (request == NULL) return NULL;
    char *end = request + sprintf(request, "{\"messages\": [{\"role\": \"user\", \"content\": ");
    end = write_json(end, question);
    sprintf(end, "}], \"temperature\": 0, \"max_tokens\": %d}", atoi(tokens));
    return request;
}

/// Writes what comes of a request.
static apus_status write_reply(apus_request *request, int writes_ids, char **error) {
    for (;;) {
        apus_event event = {.size = sizeof event};
        const apus_status status = apus_request_next(request, -1, &event, error);
        if (status == APUS_CLOSED) {
            apus_free(*error); // no error: the reply is complete
            *error = NULL;
            return APUS_OK;
        }
        if (status != APUS_OK) return status;
        if (event.kind == APUS_EVENT_ERROR) return apus_request_wait(request, 0, NULL, error);
        if (writes_ids && event.token >= 0) printf("%" PRId32 "\n", event.token);
        if (!writes_ids && event.kind == APUS_EVENT_TEXT) fwrite(event.text, 1, event.text_len, stdout);
        fflush(stdout);
    }
}

int main(int count, char **arguments) {
    if (count < 3) return fputs("usage: generate MODEL QUESTION [TOKENS [ids]]\n", stderr), 2;
    if (apus_abi_version() >> 16 != APUS_ABI_MAJOR) return fputs("another version of libapus is needed\n", stderr), 2;
    apus_model *model = NULL;
    apus_engine *engine = NULL;
    apus_request *request = NULL;
    char *error = NULL;
    char *body = make_request(arguments[2], count > 3 ? arguments[3] : "256");
    apus_status status = APUS_OUT_OF_MEMORY;
    if (body != NULL) status = apus_model_load(arguments[1], NULL, NULL, NULL, &model, &error);
    if (status == APUS_OK) status = apus_engine_create(model, NULL, &engine, &error);
    if (status == APUS_OK) {
        status = apus_engine_submit(engine, body, APUS_NUL_TERMINATED, NULL, NULL, &request, &error);
    }
    if (status == APUS_OK) status = write_reply(request, count > 4 && strcmp(arguments[4], "ids") == 0, &error);
    if (status != APUS_OK) fprintf(stderr, "error %" PRId32 ": %s\n", status, error != NULL ? error : "no memory");

    apus_free(error);
    apus_request_release(request); // NULL is no handle, and does nothing
    apus_engine_release(engine);
    apus_model_release(model);
    free(body);
    return status == APUS_OK ? 0 : 1;
}
