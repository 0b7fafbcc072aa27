// Apus as a C library: language models on the CPU, in the caller's process. ABI 1.
//
// Handles are opaque. What is not per token goes in and out as JSON, with the names of the HTTP API: a request is the
// body of /v1/chat/completions, /v1/completions or /v1/embeddings, a reply is what the server would send.
//
//   apus_model *model = NULL; apus_engine *engine = NULL; apus_request *request = NULL;
//   char *error = NULL, *reply = NULL;
//   if (apus_model_load("model.gguf", NULL, NULL, NULL, &model, &error) == APUS_OK &&
//       apus_engine_create(model, NULL, &engine, &error) == APUS_OK &&
//       apus_engine_submit(engine, "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", APUS_NUL_TERMINATED,
//                          NULL, NULL, &request, &error) == APUS_OK &&
//       apus_request_wait(request, -1, &reply, &error) == APUS_OK)
//       puts(reply);
//
// Errors. Functions that can fail return a status. When it is not APUS_OK and `error` is not NULL, *error is one line
// for people, which the caller frees with apus_free(); *error is NULL otherwise. Outputs are untouched then, unless a
// function says so. There is no state of errors per thread.
//
// Handles that are NULL, were released, are of another kind or come from elsewhere are recognised: functions with a
// status return APUS_INVALID_ARGUMENT, the others do nothing (apus_session_length: 0). Handles are numbers that are
// never given out twice, so using one beside its release on another thread is defined too. Releasing NULL does nothing.
// Other pointers must be NULL or point to what the function says; a NULL where something is wanted gives
// APUS_INVALID_ARGUMENT.
//
// Threads. Every function may be called from any thread at any time, several at once too, with the same handles too.
// Where a handle is for one thread at a time (apus_request_next, sessions) a second one gets APUS_BUSY, and nothing
// happens.
//
// Text is UTF-8. What comes out consists of whole characters: one that tokens make in pieces comes when it is whole,
// and what never becomes one comes as U+FFFD. Text that goes in and is no UTF-8 is repaired in the same way;
// JSON that is none is an error.
//
// fork(). A child process has none of the library's threads. There, if apus_model_load() was called before the fork,
// functions with a status return APUS_FORKED, the others do nothing; the parent goes on. Processes that are to use the
// library themselves are forked before that, or start with exec.
//
// JSON. Members that are null are the same as absent ones, and unknown ones are passed over; `"strict": true` makes
// them errors, in options, requests and sampling.
//
// Versions. Within a major ABI number functions, members of JSON, kinds of events and status codes are only added, and
// members of apus_event only at its end. Two copies of the library may be loaded side by side; a handle belongs to its
// copy. After dlclose() the library stays in memory, since its threads do.
#ifndef APUS_H
#define APUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef APUS_API
#if defined(__GNUC__)
#define APUS_API __attribute__((visibility("default")))
#else
#define APUS_API
#endif
#endif

/// The ABI that this header describes. Programs compare the major number with that of apus_abi_version().
#define APUS_ABI_MAJOR 1
#define APUS_ABI_MINOR 0

/// As a length: the text ends with a NUL.
#define APUS_NUL_TERMINATED SIZE_MAX

/// How a call ended. New codes may be added; what a program does not know is to be taken as APUS_INTERNAL.
typedef int32_t apus_status;
enum {
    APUS_OK = 0,
    APUS_INVALID_ARGUMENT = 1, ///< a handle, pointer, option or member of a request is not what is wanted
    APUS_NOT_FOUND = 2,        ///< there is no such file
    APUS_BAD_MODEL = 3,        ///< a file is damaged or contradicts itself
    APUS_UNSUPPORTED = 4,      ///< sound, but this version does not do it
    APUS_OUT_OF_MEMORY = 5,    ///< less memory than is wanted, or not one thread more; the message says which
    APUS_CONTEXT_FULL = 6,     ///< the tokens do not fit the context
    APUS_CANCELLED = 7,        ///< called off: by apus_request_cancel(), a callback, or the release of the engine
    APUS_TIMEOUT = 8,          ///< the time is over; nothing else has changed
    APUS_BUSY = 9,             ///< too many requests, or another thread uses the handle
    APUS_BAD_GRAMMAR = 10,     ///< a grammar or schema cannot be used
    APUS_CLOSED = 11,          ///< a request has no more events
    APUS_FORKED = 12,          ///< the process is a fork of the one that made the handles
    APUS_TOO_SMALL = 13,       ///< a buffer is too small; the function says how large it must be
    APUS_IO = 14,              ///< a file cannot be opened, read or written
    APUS_INTERNAL = 99         ///< a fault of Apus itself
};

/// A loaded model: weights and tokenizer. Does not change.
typedef struct apus_model apus_model;
/// Runs any number of requests on a model at the same time.
typedef struct apus_engine apus_engine;
/// A request to an engine, and the events that come of it.
typedef struct apus_request apus_request;
/// A sequence of tokens that the caller extends by himself.
typedef struct apus_session apus_session;

/// What an event tells. New kinds may be added; what a program does not know is to be passed over.
enum {
    APUS_EVENT_TEXT =
        0, ///< the reply goes on: `text`; `token` is what was drawn with it, or -1 at the end of the reply
    // 1 and 2 are kept for reasoning and calls of tools.
    APUS_EVENT_TOKEN = 3,    ///< a token was drawn whose text is not certain yet: `token`
    APUS_EVENT_PROGRESS = 4, ///< where the prompt is, if the request has "return_progress": `json`
    APUS_EVENT_DONE = 5,     ///< the last event: `json` is the whole reply, as apus_request_wait() gives it
    APUS_EVENT_ERROR = 6,    ///< the last event: `status`, the message in `text`, OpenAI's error object in `json`
    APUS_EVENT_CHUNK = 7     ///< with "stream": a piece of the reply as the server would send it, in `json`
};

/// An event of a request. The strings are the library's, end with a NUL, and are NULL where there is nothing to tell.
typedef struct apus_event {
    uint32_t size;  ///< bytes of the struct: set before apus_request_next(); how much is filled in, in callbacks
    int32_t kind;   ///< APUS_EVENT_…
    int32_t choice; ///< which choice of the request ("n"), and of which prompt: prompt * n + choice, from 0
    int32_t token;  ///< the token that was drawn, or -1
    float logprob;  ///< its log probability, if the request asks for "logprobs"; else NaN
    int32_t status; ///< how the request ended, in the last event; else APUS_OK
    const char *text;
    size_t text_len;  ///< bytes
    const char *json; ///< what the kind says
    size_t json_len;  ///< bytes
} apus_event;

/// Gets the events of a request. Is called on a thread of the engine's, for all its requests one event after another; a
/// callback that takes long delays the others' events, but no computation. `event` is valid during the call. May call
/// apus_request_cancel(), the releases and apus_free(); waiting for requests of the same engine gives APUS_BUSY there.
///
/// Returns 0 to go on; 1 to end the reply here, as if by a stop string; 2 to cancel the request.
typedef int32_t (*apus_event_callback)(const apus_event *event, void *user);

/// Is told how far the loading has come, 0 to 1, on the thread that loads. Anything but 0 ends it with APUS_CANCELLED.
typedef int32_t (*apus_progress_callback)(float progress, void *user);

/// Gets a line of the log. Levels: 1 error, 2 warning, 3 information. `message` ends with a NUL and is valid during the
/// call, which may come on any thread, on several at once too, and must call nothing of the library.
typedef void (*apus_log_callback)(int32_t level, const char *message, size_t length, void *user);

// ---------------------------------------------------------------------------------------------------------------
// The library

/// The ABI of the loaded library: major << 16 | minor. A program that was compiled with another major number must not
/// call anything else; one that needs functions of a later minor number neither. Works in forked processes.
APUS_API uint32_t apus_abi_version(void);

/// The version of Apus, such as "1.2.3"; the library's, never to be freed. Works in forked processes.
APUS_API const char *apus_version(void);

/// What the library makes of the machine: `version`, `abi`, `isa` (the kernels in use), `isas`, `threads` (processors
/// that the process may use), `team` (what runs the threads), and `handles` (how many of each kind are not released).
///
/// *json is the caller's: apus_free().
APUS_API apus_status apus_system_info(char **json, char **error);

/// Sends the log to a callback from now on, or nowhere with NULL, as it is at first. A call that is under way on
/// another thread may still use the one before.
APUS_API void apus_set_log_callback(apus_log_callback callback, void *user);

/// Frees a text that the library gave. NULL does nothing. Works in forked processes.
APUS_API void apus_free(void *pointer);

// ---------------------------------------------------------------------------------------------------------------
// Models

/// Loads a model, which takes from a tenth of a second to minutes; nothing is read from the file afterwards.
///
/// `path`: a GGUF file, or the first part of a split one. `options`: NULL, or an object with `n_threads` (default: the
/// processors that the process may use), `n_ctx` (positions that a sequence may have; default: the model's, or what
/// memory allows), `n_batch` (tokens of a prompt that are computed together, at the most), `strict`. `progress`: NULL,
/// or who is told. Several loads take turns. *model is the caller's: apus_model_release().
///
/// APUS_NOT_FOUND, APUS_IO, APUS_BAD_MODEL, APUS_UNSUPPORTED, APUS_OUT_OF_MEMORY, APUS_CANCELLED (by `progress`).
APUS_API apus_status apus_model_load(const char *path, const char *options, apus_progress_callback progress, void *user,
                                     apus_model **model, char **error);

/// Gives the handle up. The model is gone when its engines and sessions are gone too.
APUS_API void apus_model_release(apus_model *model);

/// What is known of a model: `path`, `architecture`, `n_vocab`, `n_ctx`, `n_ctx_train`, `n_embd`, `n_layer`,
/// `n_params`, `size` (bytes of the file), `bos_token_id`, `eos_token_id`, `eog_token_ids` (tokens that end a reply),
/// `add_bos_token`, `chat_template` (null if there is none), and `metadata`, all of the file's; arrays of more than 64
/// elements are shown empty.
///
/// *json is the caller's: apus_free().
APUS_API apus_status apus_model_info(const apus_model *model, char **json, char **error);

/// Flags of apus_tokenize() and apus_detokenize().
enum {
    APUS_ADD_SPECIAL = 1,   ///< adds the tokens at the begin and the end that the model wants
    APUS_PARSE_SPECIAL = 2, ///< the texts of control tokens become these tokens: only for text that is trusted
    APUS_RENDER_SPECIAL = 4 ///< control tokens become their texts, and not nothing
};

/// Cuts a text into tokens.
///
/// `text`, of `text_len` bytes or APUS_NUL_TERMINATED, may have NULs. `flags`: APUS_ADD_SPECIAL, APUS_PARSE_SPECIAL.
/// `tokens`: room for `capacity` tokens, NULL if that is 0. *count: how many there are; set with APUS_TOO_SMALL too, of
/// which `tokens` is untouched.
APUS_API apus_status apus_tokenize(const apus_model *model, const char *text, size_t text_len, uint32_t flags,
                                   int32_t *tokens, size_t capacity, size_t *count, char **error);

/// Makes text of tokens, of whole characters.
///
/// `flags`: APUS_RENDER_SPECIAL. `text`: room for `capacity` bytes, NULL if that is 0; there is no NUL at the end.
/// *text_len: how many bytes there are; set with APUS_TOO_SMALL too, of which `text` is untouched.
/// APUS_INVALID_ARGUMENT for a token outside the vocabulary.
APUS_API apus_status apus_detokenize(const apus_model *model, const int32_t *tokens, size_t count, uint32_t flags,
                                     char *text, size_t capacity, size_t *text_len, char **error);

/// The prompt that a chat request has: `messages`, and if wanted `tools`, `add_generation_prompt`,
/// `continue_final_message`, `chat_template_kwargs`, and `chat_template` in place of the model's own.
///
/// `request`: JSON of `request_len` bytes or APUS_NUL_TERMINATED. *prompt, which ends with a NUL, is the caller's:
/// apus_free(). *prompt_len, unless NULL: its bytes without that NUL.
APUS_API apus_status apus_apply_template(const apus_model *model, const char *request, size_t request_len,
                                         char **prompt, size_t *prompt_len, char **error);

// ---------------------------------------------------------------------------------------------------------------
// Engines and requests

/// Makes an engine, which keeps the model. It takes no processor time while it has no requests.
///
/// `options`: NULL, or an object with `n_parallel` (texts that are computed at the same time, 64), `n_kv` (positions of
/// the cache that all share; default: what memory allows), `max_queue` (requests that may wait; default: any number),
/// `cache_prompt` (whether texts that begin alike share what is computed, true), `speculate` ("lookup" or "off"),
/// `pooling` ("mean", "cls" or "last", of embeddings), `chat_template` (in place of the model's own), `model` (its name
/// in replies; default: the file's), `strict`, and any parameter of sampling or `max_tokens`, which are then what holds
/// where a request says nothing. *engine is the caller's: apus_engine_release().
///
/// APUS_OUT_OF_MEMORY.
APUS_API apus_status apus_engine_create(apus_model *model, const char *options, apus_engine **engine, char **error);

/// Cancels the engine's requests, waits until nothing is computed any more and their callbacks have got the last event
/// (unless it is called by one of these), and gives the handle up. The requests' handles remain, with the events that
/// came.
APUS_API void apus_engine_release(apus_engine *engine);

/// What an engine holds and has done: `running`, `waiting`, `requests_ended`, `pages` (of 64 positions), `pages_free`,
/// `pages_cached`, `steps`, `prompt_tokens`, `tokens_reused`, `tokens_generated`, `tokens_drafted`, `tokens_accepted`,
/// `preemptions`, `prompt_seconds`, `generation_seconds`, `n_ctx`, `size` (bytes of model, buffers and cache).
///
/// *json is the caller's: apus_free().
APUS_API apus_status apus_engine_stats(const apus_engine *engine, char **json, char **error);

/// Starts a request and returns at once.
///
/// `request`: JSON of `request_len` bytes or APUS_NUL_TERMINATED: the body of an HTTP request, and `endpoint`:
/// "chat/completions" (the default), "completions" or "embeddings"; "/v1/" may stand before it. `model` is passed over.
/// With `"stream": true` the chunks that the server would send are events too, with `"return_progress": true` the
/// progress of the prompt comes as events. `callback`: gets the events, with `user`; NULL if apus_request_next() is to
/// give them. *request_handle is set before the first callback, and is the caller's: apus_request_release().
///
/// APUS_INVALID_ARGUMENT that names the member, APUS_CONTEXT_FULL, APUS_UNSUPPORTED, APUS_BUSY (`max_queue`).
APUS_API apus_status apus_engine_submit(apus_engine *engine, const char *request, size_t request_len,
                                        apus_event_callback callback, void *user, apus_request **request_handle,
                                        char **error);

/// Waits for the next event. For requests without a callback, one thread at a time.
///
/// `timeout_ns`: how long, in nanoseconds; 0 does not wait, a negative number waits for ever. *event: its `size` is set
/// to sizeof(apus_event) before; its strings are valid until the next call with this request, or its release. Events
/// wait as long as nobody takes them, and hold nobody up.
///
/// APUS_TIMEOUT; APUS_CLOSED after the last event (APUS_EVENT_DONE or APUS_EVENT_ERROR); APUS_BUSY;
/// APUS_INVALID_ARGUMENT for a request with a callback, and for a size that no version had.
APUS_API apus_status apus_request_next(apus_request *request, int64_t timeout_ns, apus_event *event, char **error);

/// Takes events, several at once: where every call costs much, and where a text is shown at a steady pace.
///
/// Returns what is there; else waits for an event, as apus_request_next() does. `pace_ns`: once events come faster than
/// one in so many nanoseconds, they are gathered until that long after the return before, up to twice as long until
/// there are five tokens, but not beyond the request's end or `timeout_ns`; 0 takes them as they come. `events`: room
/// for `capacity` of them, at least one; the `size` of the first is set to sizeof(apus_event) before, and is that of
/// all. *count: how many were taken. Their strings are valid as those of apus_request_next().
///
/// As apus_request_next(), with which it may be mixed; APUS_INVALID_ARGUMENT for no capacity too.
APUS_API apus_status apus_request_take(apus_request *request, int64_t timeout_ns, int64_t pace_ns, apus_event *events,
                                       size_t capacity, size_t *count, char **error);

/// Tells an event loop of events: writes the 8 bytes of `tag` to `fd` as soon as apus_request_next() has something to
/// say, at once if it has already, and once only. For requests without a callback.
///
/// Who finds the tag takes events with a timeout of 0 until there are none (APUS_TIMEOUT), and calls this again. `fd`:
/// an eventfd (`tag` is 1 then), the writing end of a pipe, or a socket, which does not block; any number of requests
/// may share one, as the tags tell them apart. Where there is no room for a tag (a pipe holds 8,192) it is written with
/// the next event. The descriptor is the caller's, and stays open, as does a pipe's other end (else SIGPIPE), until the
/// tag is there, the request is released, or this was called with -1, which ends it. A second call takes the place of
/// the first.
///
/// APUS_INVALID_ARGUMENT for a request with a callback, and for a descriptor that is not open.
APUS_API apus_status apus_request_notify(apus_request *request, int32_t fd, uint64_t tag, char **error);

/// Waits for the end of a request, with or without a callback; any number of threads may. Takes no events away.
///
/// `timeout_ns`: as apus_request_next(). *reply, unless NULL: the whole reply as the server would send it, the
/// caller's: apus_free().
///
/// APUS_TIMEOUT; what the request failed with; APUS_CANCELLED.
APUS_API apus_status apus_request_wait(apus_request *request, int64_t timeout_ns, char **reply, char **error);

/// Calls a request off: its last event, an APUS_EVENT_ERROR with APUS_CANCELLED, comes within a step (0.3 s). Returns
/// at once; once more, or after the end, it does nothing.
APUS_API void apus_request_cancel(apus_request *request);

/// Cancels a request that has not ended and gives the handle up. Its callback is not called any more afterwards: a call
/// that is under way on another thread is waited for. A thread in apus_request_next() or apus_request_wait() gets
/// APUS_CANCELLED.
APUS_API void apus_request_release(apus_request *request);

/// Computes the vector of a text, pooled as the engine was set up, of length 1. Waits for it.
///
/// `tokens`: `count` of them, as apus_tokenize() with APUS_ADD_SPECIAL gives them. `vector`: room for `capacity`
/// numbers, NULL if that is 0. *dimensions: how many it has; set with APUS_TOO_SMALL too, when nothing is computed.
///
/// APUS_CONTEXT_FULL, APUS_BUSY, APUS_CANCELLED (by the release of the engine).
APUS_API apus_status apus_embed(apus_engine *engine, const int32_t *tokens, size_t count, float *vector,
                                size_t capacity, size_t *dimensions, char **error);

// ---------------------------------------------------------------------------------------------------------------
// Sessions: token by token. For one thread at a time; another one gets APUS_BUSY.

/// Starts an empty sequence, which keeps the model.
///
/// `options`: NULL, or an object with `n_kv` (positions of the cache that the session and its forks
/// share; default: one context), `strict`. *session is the caller's: apus_session_release().
///
/// APUS_OUT_OF_MEMORY.
APUS_API apus_status apus_session_create(apus_model *model, const char *options, apus_session **session, char **error);

/// Cancels what the session computes and gives the handle up. Its logits are gone when no other thread uses the
/// session.
APUS_API void apus_session_release(apus_session *session);

/// Flags of apus_session_eval().
enum {
    APUS_ALL_LOGITS =
        1 ///< keeps the logits after every token, (count, n_vocab) numbers of 4 bytes, and not the last only
};

/// Appends `count` tokens, at least one, and computes the logits after the last one (APUS_ALL_LOGITS: after each).
///
/// APUS_CONTEXT_FULL (nothing has changed), APUS_INVALID_ARGUMENT for a token outside the vocabulary (nothing has
/// changed), APUS_CANCELLED (the session holds what it held before, or a part of the tokens more), APUS_OUT_OF_MEMORY.
APUS_API apus_status apus_session_eval(apus_session *session, const int32_t *tokens, size_t count, uint32_t flags,
                                       char **error);

/// The logits after a token of the last apus_session_eval(): before temperature, penalties and all sampling.
///
/// `index`: which token of that call, from 0 with APUS_ALL_LOGITS; -1 for the last one. *row: (*n_vocab) numbers, the
/// session's, valid until it evaluates, truncates, forks, loads or is released. APUS_INVALID_ARGUMENT if there are
/// none.
APUS_API apus_status apus_session_logits(apus_session *session, int64_t index, const float **row, size_t *n_vocab,
                                         char **error);

/// Draws a token after the last one, which does not join the sequence by that: apus_session_eval() does.
///
/// `sampling`: NULL for the defaults, or an object with the parameters of a request, `seed` among them. The random
/// generator starts when a text of `sampling` comes for the first time, and goes on with every call that has the same;
/// penalties see all tokens of the sequence. APUS_INVALID_ARGUMENT if there are no logits: before the first evaluation,
/// or after truncating.
APUS_API apus_status apus_session_sample(apus_session *session, const char *sampling, int32_t *token, char **error);

/// Drops tokens from the end; keeps the first `length`. APUS_INVALID_ARGUMENT if there are fewer.
APUS_API apus_status apus_session_truncate(apus_session *session, size_t length, char **error);

/// How many tokens the sequence has.
APUS_API size_t apus_session_length(const apus_session *session);

/// Makes a second session that begins with the same tokens and logits, whose computation it shares. *fork is the
/// caller's: apus_session_release().
APUS_API apus_status apus_session_fork(apus_session *session, apus_session **fork, char **error);

/// Calls off what another thread evaluates, which gets APUS_CANCELLED; does nothing when nobody does.
APUS_API void apus_session_cancel(apus_session *session);

/// Saves the tokens and what is computed for them to a file, which appears when it is complete, in place of an older
/// one. APUS_IO, APUS_INVALID_ARGUMENT if there are no tokens.
APUS_API apus_status apus_session_save(apus_session *session, const char *path, char **error);

/// Replaces the sequence by a saved one. Logits are there after the next evaluation.
///
/// APUS_NOT_FOUND, APUS_IO, APUS_BAD_MODEL (damaged), APUS_INVALID_ARGUMENT (of another model), APUS_CONTEXT_FULL. The
/// sequence may be empty then.
APUS_API apus_status apus_session_load(apus_session *session, const char *path, char **error);

#ifdef __cplusplus
}
#endif

#endif
