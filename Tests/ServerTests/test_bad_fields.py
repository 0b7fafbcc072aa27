"""Fields of every endpoint with what they must not be: 400 that names the field, and nothing else comes of it.

Each request goes over one connection of its own kind of client, none: bytes are sent that no client would let through.
"""

import json

import pytest
from serving import ALIAS, CONTEXT, VOCABULARY

MESSAGES = [{"role": "user", "content": "Hi"}]
# What an endpoint's body must have at least.
BODIES = {
    "/v1/chat/completions": {"model": ALIAS, "messages": MESSAGES, "max_tokens": 1},
    "/v1/completions": {"model": ALIAS, "prompt": "Hi", "max_tokens": 1},
    "/v1/embeddings": {"model": ALIAS, "input": "Hi"},
    "/api/chat": {"model": ALIAS, "messages": MESSAGES, "stream": False, "options": {"num_predict": 1}},
    "/api/generate": {"model": ALIAS, "prompt": "Hi", "stream": False, "options": {"num_predict": 1}},
    "/api/embed": {"model": ALIAS, "input": "Hi"},
    "/api/embeddings": {"model": ALIAS, "prompt": "Hi"},
    "/api/show": {"model": ALIAS},
    "/completion": {"prompt": "Hi", "n_predict": 1},
    "/tokenize": {"content": "Hi"},
    "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": MESSAGES},
}
GENERATING = ["/v1/chat/completions", "/v1/completions", "/completion"]
# What a field is, and values that it is not.
WRONG = {
    "text": [1, True, ["a"], {"a": 1}],
    "flag": [1, "true", [1], {"a": 1}],
    "count": [-(2**62), 2**70, -2, 0.5, "1", True, [1], {"a": 1}],
    "integer": [0.5, 2**70, 1e300, "1", True, [1], {"a": 1}],
    "positive": [0, -1, 0.5, 2**70, "1", True, [1]],
    "number": ["1", True, [1], {"a": 1}, -1e31, 1e300],
    "share": ["1", True, [1], -0.5, 1.5, 1e300],
    "texts": [1, True, [1], [["a"]], {"a": 1}, ["a", None]],
    "object": [1, "a", True, [1]],
    "array": [1, "a", True, {"a": 1}],
    "ids": [[-1], [VOCABULARY], [2**70], [0.5], ["a", 1], [True], [[1], 2], {"a": 1}, 1, True],
    "messages": [
        "a",
        1,
        {"role": "user"},
        ["a"],
        [None],
        [{}],
        [{"role": 1}],
        [{"content": "a"}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": [1]}],
        [{"role": "user", "content": [{"type": "text"}]}],
        [{"role": "user", "content": [{"type": "text", "text": 1}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
    ],
    "bias": [1, "a", True, [1], {"a": 1}, {"-1": 1}, {str(VOCABULARY): 1}, {"1": "a"}, {"1": 1e300}, [[1]], [[-1, 1]]],
    "life": ["soon", "5 parsecs", True, [1], {"a": 1}],
}
SAMPLING = {
    "temperature": "number",
    "top_p": "share",
    "min_p": "share",
    "typical_p": "share",
    "presence_penalty": "number",
    "frequency_penalty": "number",
    "repeat_penalty": "number",
    "repeat_last_n": "count",
    "top_k": "integer",
    "mirostat": "count",
    "mirostat_tau": "number",
    "mirostat_eta": "number",
    "seed": "integer",
}
EXTRAS = {
    "logit_bias": "bias",
    "stop": "texts",
    "ignore_eos": "flag",
    "cache_prompt": "flag",
    "dynatemp_range": "number",
    "dynatemp_exponent": "number",
    "xtc_probability": "share",
    "xtc_threshold": "number",
    "dry_multiplier": "number",
    "dry_base": "number",
    "dry_allowed_length": "count",
    "dry_penalty_last_n": "count",
    "top_n_sigma": "number",
    "samplers": "texts",
    "t_max_predict_ms": "count",
    "n_predict": "count",
}
FORM = {"stream": "flag", "model": "text"}
OPENAI = {
    **SAMPLING,
    **EXTRAS,
    **FORM,
    "n": "positive",
    "max_tokens": "count",
    "max_completion_tokens": "count",
    "stream_options": "object",
    "response_format": "object",
    "tools": "array",
}
OLLAMA = {
    **FORM,
    "options": "object",
    "keep_alive": "life",
    "logprobs": "flag",
    "top_logprobs": "count",
    "tools": "array",
    **{f"options.{name}": kind for name, kind in SAMPLING.items()},
    "options.stop": "texts",
    "options.num_predict": "integer",
    "options.num_ctx": "count",
    "options.num_thread": "integer",
}
FIELDS = {
    "/v1/chat/completions": {
        **OPENAI,
        "messages": "messages",
        "logprobs": "flag",
        "top_logprobs": "count",
        "add_generation_prompt": "flag",
        "continue_final_message": "flag",
        "chat_template_kwargs": "object",
    },
    "/v1/completions": {
        **OPENAI,
        "prompt": "ids",
        "echo": "flag",
        "logprobs": "count",
        "best_of": "positive",
        "suffix": "text",
    },
    "/v1/embeddings": {"model": "text", "input": "ids", "encoding_format": "text", "dimensions": "positive"},
    "/api/chat": {**OLLAMA, "messages": "messages", "truncate": "flag", "shift": "flag"},
    "/api/generate": {
        **OLLAMA,
        "prompt": "text",
        "system": "text",
        "template": "text",
        "suffix": "text",
        "raw": "flag",
        "context": "ids",
        "images": "array",
    },
    "/api/embed": {"model": "text", "input": "texts", "truncate": "flag", "dimensions": "count", "keep_alive": "life"},
    "/api/embeddings": {"model": "text", "prompt": "text", "keep_alive": "life", "options": "object"},
    "/api/show": {"model": "text"},
    "/completion": {
        **SAMPLING,
        **EXTRAS,
        **FORM,
        "prompt": "ids",
        "n_probs": "count",
        "n_keep": "count",
        "n_discard": "count",
        "return_tokens": "flag",
        "return_progress": "flag",
        "timings_per_token": "flag",
        "id_slot": "count",
        "response_fields": "texts",
    },
    "/tokenize": {"add_special": "flag", "parse_special": "flag", "with_pieces": "flag", "model": "text"},
    "/detokenize": {"tokens": "ids", "model": "text"},
    "/apply-template": {"messages": "messages", "add_generation_prompt": "flag", "chat_template_kwargs": "object"},
}
# What the kinds say is wrong, and these fields have a sense for.
RIGHT = {("/completion", "prompt"): [["a", 1]], ("/v1/completions", "logprobs"): [True]}
ALL = [(path, field) for path, fields in FIELDS.items() for field in fields]
REQUIRED = [
    (path, field) for path, body in BODIES.items() for field in body if field in ["messages", "prompt", "input"]
]


def with_field(path, field, value):
    """The endpoint's body with a field, which may be `options.name`, set to a value."""
    body = json.loads(json.dumps(BODIES[path]))
    *outer, name = field.split(".")
    (body[outer[0]] if outer else body)[name] = value
    return body


def error_of(status, body):
    """The message of an error, and the parameter that it names if that is said apart."""
    error = json.loads(body)["error"]
    return (error, None) if isinstance(error, str) else (error["message"], error.get("param"))


def check_refusal(path, field, value, status, reply):
    what = f"{path} {field}={json.dumps(value)[:80]}: {status}: {reply[:200]}"
    assert 400 <= status < 500, what
    message, parameter = error_of(status, reply)
    names = [field, field.split(".")[-1]]
    assert any((parameter or message).startswith(name) or name in message for name in names), what


@pytest.mark.parametrize("path, field", ALL)
def test_wrong_types(server, path, field):
    for value in WRONG[FIELDS[path][field]]:
        if value in RIGHT.get((path, field), []):
            continue
        status, _, reply = server.request("POST", path, with_field(path, field, value))
        check_refusal(path, field, value, status, reply)


@pytest.mark.parametrize("path", FIELDS)
def test_null_and_empty_are_absent(server, path):
    """All fields at once that the endpoint can do without."""
    optional = [field for field in FIELDS[path] if field not in BODIES[path] and "." not in field]
    assert server.post(path, {**BODIES[path], **dict.fromkeys(optional)})
    containers = {"array": [], "object": {}, "bias": {}, "texts": []}
    empty = {field: containers[FIELDS[path][field]] for field in optional if FIELDS[path][field] in containers}
    assert server.post(path, {**BODIES[path], **empty})


@pytest.mark.parametrize("path, field", REQUIRED)
@pytest.mark.parametrize("value", [None, [], {}, ""])
def test_required_fields_that_are_empty(server, path, field, value):
    """An empty text is one; nothing at all is not. Ollama's endpoints load the model then."""
    status, _, reply = server.request("POST", path, with_field(path, field, value))
    if path.startswith("/api/") and field != "options":
        assert status in (200, 400), reply
    elif status != 200:
        check_refusal(path, field, value, status, reply)
    if value is None and not path.startswith("/api/"):
        assert status == 400, reply


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"5", b'"a"', b"{]", b"{'a': 1}", b'{"a":}', b'{"a": NaN}', b'{"a": 1} x', b"[" * 10**5]
    + [
        b'{"a": 1e}',
        b'{"a": "\xff\xfe"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\x01"}',
        b'{"a": 01}',
        b"\x00",
        b"\xef\xbb\xbf5",
    ]
    + [b'{"a":' * 10**5, b'{"model": "' + b"a" * 10**6],
)
def test_malformed_json(server, path, body):
    status, _, reply = server.request("POST", path, body)
    # A lone surrogate in a field that nobody asks for may be passed over.
    if status == 200 and b"ud800" in body:
        return
    assert status == 400, f"{body[:40]}: {status}: {reply[:200]}"
    assert error_of(status, reply)[0]


@pytest.mark.parametrize("path", GENERATING)
def test_huge_numbers(server, path):
    for field in ["max_tokens", "seed", "n", "top_k", "temperature", "n_predict"]:
        for text in [
            "9" * 400,
            "-" + "9" * 400,
            "1e400",
            "-1e400",
            "9223372036854775808" + "0" * 15,
            "1" + "0" * 10**5,
        ]:
            body = json.dumps(BODIES[path])[:-1] + f', "{field}": {text}}}'
            status, _, reply = server.request("POST", path, body.encode())
            assert status == 400, f"{field} {text[:20]}: {reply[:200]}"


@pytest.mark.parametrize("path", BODIES)
def test_a_content_type_is_no_matter(server, path):
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-9", "x"]:
        assert server.request("POST", path, BODIES[path], {"Content-Type": kind})[0] == 200


LONG = "word " * (CONTEXT + 10)


@pytest.mark.parametrize(
    "path, more",
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": LONG}]}),
        ("/v1/completions", {"prompt": LONG}),
        ("/v1/completions", {"prompt": [[1] * (CONTEXT + 1)]}),
        ("/v1/embeddings", {"input": LONG}),
        ("/completion", {"prompt": LONG}),
        ("/api/chat", {"messages": [{"role": "user", "content": LONG}]}),
        ("/api/generate", {"prompt": LONG}),
        ("/api/embeddings", {"prompt": LONG}),
        ("/api/embed", {"input": LONG, "truncate": False}),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_prompts_over_the_context(server, path, more, streams):
    status, _, reply = server.request("POST", path, {**BODIES[path], **more, "stream": streams})
    assert status == 400 and f"maximum context length is {CONTEXT} tokens" in error_of(status, reply)[0]
    error = json.loads(reply)["error"]
    if not path.startswith("/api/"):
        assert error["type"] == "exceed_context_size_error" and error["n_ctx"] == CONTEXT < error["n_prompt_tokens"]
    if path.startswith("/v1/"):
        assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    "name", ["nobody", "../../etc/passwd", "..", "/etc/passwd", "a\x00b", "a" * 10**5, "%2e%2e", "a:b:c"]
)
def test_names_that_no_model_has(server, name):
    for path in [p for p in BODIES if p.startswith(("/v1/", "/api/"))]:
        status, _, reply = server.request("POST", path, {**BODIES[path], "model": name})
        assert status == 404, f"{path}: {reply[:200]}"
        assert len(reply) < 2000
    status, _, reply = server.request("DELETE", "/api/delete", {"model": name})
    assert status == 404


@pytest.mark.parametrize(
    "name", ["../x", "/tmp/x", "a/../../x", "..", ".", "a:../b", "a\x00", "", "a/b:c/d", "a" * 5000, "~/x"]
)
def test_names_that_lead_out_of_the_folder(server, name):
    status, _, reply = server.request("POST", "/api/copy", {"source": ALIAS, "destination": name})
    assert status == 400 and "destination" in error_of(status, reply)[0]


@pytest.mark.parametrize("path", ["/v1/models/..%2f..%2fetc%2fpasswd", "/v1/models/%00", "/v1/models/" + "a" * 5000])
def test_paths_that_lead_out_of_the_folder(server, path):
    assert server.request("GET", path)[0] in (404, 414)


def test_wrong_methods_and_paths(server):
    for path in BODIES:
        status, headers, reply = server.request("GET", path)
        assert (status, headers["allow"]) == (405, "POST") and error_of(status, reply)[0]
    for path in ["/v1", "/v1/nothing", "/api", "/api/chat/api/show", "/.env", "/%ff", "//", "/v1/chat/completions/"]:
        status, _, reply = server.request("POST", path, {})
        assert status in (404, 405, 400), path
        assert error_of(status, reply)[0]


TEMPLATES = [
    "{% for i in range(1000000000) %}a{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ 'a' * 1000000000 }}",
    "{% for a in messages %}" * 200,
    "{{ range .Messages }}" * 1000,
    "{{ " * 5000,
    '{{ template "x" }}',
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_from_strangers(server, template):
    """They may make a prompt or be refused; they neither hang nor break anything."""
    body = {**BODIES["/api/generate"], "template": template}
    status, _, reply = server.request("POST", "/api/generate", body)
    assert status == 200 or (status == 400 and "template" in error_of(status, reply)[0]), reply[:300]


@pytest.mark.parametrize("path", GENERATING)
def test_stop_strings_from_strangers(server, path):
    long = {**BODIES[path], "stop": ["a" * 10**6]}
    many = {**BODIES[path], "stop": [f"never {i}" for i in range(5000)]}
    odd = {**BODIES[path], "stop": ["", "\x00", "\ufffd", "\U0001f600"]}
    for body in [long, many, odd]:
        status, _, reply = server.request("POST", path, body)
        assert status == 200 or (status == 400 and "stop" in error_of(status, reply)[0]), reply[:300]
