// Generates a reply to a question and writes it as it comes: generate MODEL QUESTION [TOKENS [ids]]
// With `ids` it writes the tokens' numbers instead. Handles become owners, statuses exceptions, events a lambda.
// Build: c++ -std=c++17 generate.cpp $(pkg-config --cflags --libs apus)
#include <apus.h>

#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

template <auto release> struct Release {
    template <typename T> void operator()(T *handle) const { release(handle); }
};
using Model = std::unique_ptr<apus_model, Release<apus_model_release>>;
using Engine = std::unique_ptr<apus_engine, Release<apus_engine_release>>;
using Request = std::unique_ptr<apus_request, Release<apus_request_release>>;
using Text = std::unique_ptr<char, Release<apus_free>>;

/// Makes a call whose last argument takes the message.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments) {
    char *message = nullptr;
    const apus_status status = function(arguments..., &message);
    const Text owner(message);
    if (status != APUS_OK) throw std::runtime_error(message != nullptr ? message : "no message");
}

Model load(const std::string &path) {
    apus_model *model = nullptr;
    call(apus_model_load, path.c_str(), nullptr, nullptr, nullptr, &model);
    return Model(model);
}

Engine make_engine(const Model &model) {
    apus_engine *engine = nullptr;
    call(apus_engine_create, model.get(), nullptr, &engine);
    return Engine(engine);
}

using OnEvent = std::function<void(const apus_event &)>;

/// Starts a request whose events go to a function, which outlives the request.
Request submit(const Engine &engine, const std::string &body, OnEvent &on_event) {
    apus_request *request = nullptr;
    const apus_event_callback callback = [](const apus_event *event, void *user) -> int32_t {
        (*static_cast<OnEvent *>(user))(*event);
        return 0;
    };
    call(apus_engine_submit, engine.get(), body.data(), body.size(), callback, &on_event, &request);
    return Request(request);
}

std::string json(const std::string &text) {
    std::string result = "\"";
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            result += escape;
        } else {
            if (c == '"' || c == '\\') result += '\\';
            result += c;
        }
    }
    return result + '"';
}

} // namespace

int main(int count, char **arguments) try {
    if (count < 3) throw std::runtime_error("usage: generate MODEL QUESTION [TOKENS [ids]]");
    if (apus_abi_version() >> 16 != APUS_ABI_MAJOR) throw std::runtime_error("another version of libapus is needed");
    const bool writes_ids = count > 4 && std::string(arguments[4]) == "ids";
    const int tokens = count > 3 ? std::stoi(arguments[3]) : 256;
    const Model model = load(arguments[1]);
    const Engine engine = make_engine(model);
    OnEvent on_event = [&](const apus_event &event) {
        if (writes_ids && event.token >= 0) std::cout << event.token << '\n';
        if (!writes_ids && event.kind == APUS_EVENT_TEXT) std::cout.write(event.text, event.text_len) << std::flush;
    };
    const Request request = submit(engine,
                                   "{\"messages\": [{\"role\": \"user\", \"content\": " + json(arguments[2]) +
                                       "}], \"temperature\": 0, \"max_tokens\": " + std::to_string(tokens) + "}",
                                   on_event);
    call(apus_request_wait, request.get(), -1, nullptr);
    return 0;
} catch (const std::exception &error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
