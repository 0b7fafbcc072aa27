"""What a model thinks before it answers, as the clients know it; and what apus-server's flags make of it.

SmolLM2 was not taught to think, but does as the conversation before shows it.
"""

import subprocess

import ollama
import openai
import pytest
from serving import BINARY, MODEL, MODEL_FILE, PATIENCE, Server

TEMPLATE = (
    r"{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    r"{{ '<|im_start|>assistant\n<think>\n' if enable_thinking is not defined or enable_thinking else '' }}"
)
SHOWN = [
    ("What is 1 + 1?", "One and one make two.", "It is 2."),
    ("What colour is the sky?", "It is a clear day.", "Blue."),
    ("What is 2 + 2?", "Two and two make four.", "It is 4."),
]
TALK = [
    message
    for question, thought, answer in SHOWN
    for message in (
        {"role": "user", "content": question},
        {"role": "assistant", "content": f"<think>\n{thought}\n</think>\n\n{answer}"},
    )
]
TALK.append({"role": "user", "content": "What is 3 + 3?"})


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thinker")
    (folder / "template.jinja").write_text(TEMPLATE)
    with Server(folder / "log.txt", "--chat-template", folder / "template.jinja") as server:
        yield server


@pytest.fixture(scope="module")
def expected(thinker):
    """Thoughts and answer, cut out of the whole text by hand."""
    body = {"messages": TALK, "temperature": 0, "max_tokens": 60, "reasoning_format": "none"}
    text = thinker.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]
    thought, end, answer = text.partition("</think>")
    assert end and thought.strip() and answer.strip(), text
    return thought.strip(), answer.strip()


def test_openai(thinker, expected):
    options = {"base_url": thinker.url + "/v1", "api_key": "none", "timeout": PATIENCE, "max_retries": 0}
    with openai.OpenAI(**options, _strict_response_validation=True) as client:
        ask = {"model": MODEL, "messages": TALK, "temperature": 0, "max_tokens": 60}
        message = client.chat.completions.create(**ask).choices[0].message
        assert (message.reasoning_content, message.content) == expected
        deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**ask, stream=True)]
        thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        assert (thoughts, "".join(delta.content or "" for delta in deltas)) == expected
        # Only what was said before the first answer is thought.
        kinds = [
            ("t" if getattr(delta, "reasoning_content", None) else "a")
            for delta in deltas
            if delta.model_extra or delta.content
        ]
        assert "".join(kinds).lstrip("t").count("t") == 0


def test_ollama(thinker, expected):
    client = ollama.Client(thinker.url, timeout=PATIENCE)
    ask = {"model": MODEL, "messages": TALK, "options": {"temperature": 0, "num_predict": 60}}
    for think in (None, True):
        message = client.chat(**ask, think=think).message
        assert (message.thinking, message.content) == expected
    pieces = [piece.message for piece in client.chat(**ask, think=True, stream=True)]
    assert ("".join(m.thinking or "" for m in pieces), "".join(m.content for m in pieces)) == expected
    # What a client turns into the end of a stream comes at the end only.
    assert all(m.thinking or m.content for m in pieces[:-1])
    # The template has no mark then, and the model writes it itself.
    assert client.chat(**ask, think=False).message.content
    assert "thinking" in client.show(MODEL).capabilities


def test_a_model_that_cannot_think_says_so(server):
    with pytest.raises(ollama.ResponseError) as error:
        ollama.Client(server.url, timeout=PATIENCE).chat(MODEL, TALK[:1], think=True)
    assert error.value.status_code == 400 and "think" in error.value.error


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--api-prefix", "/x"], "--api-prefix"),
        (["--chat-template-kwargs", "[1]"], "--chat-template-kwargs"),
        (["--chat-template-kwargs", "{"], "--chat-template-kwargs"),
        (["--reasoning-format", "loud"], "--reasoning-format"),
        (["--log-file", "/no/such/folder/log"], "--log-file"),
    ],
)
def test_what_apus_server_cannot_do_it_refuses(flags, word):
    command = [BINARY.with_name("apus-server"), "-m", MODEL_FILE, "--port", "0", *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode in (1, 64) and word in run.stderr, run.stderr


def test_apus_servers_flags_have_their_effects(tmp_path):
    (tmp_path / "template.jinja").write_text(TEMPLATE + "{{ tone }}")
    log = tmp_path / "server.log"
    flags = ["--chat-template-file", tmp_path / "template.jinja", "--special", "--log-file", log, "-fa", "on"]
    flags += ["--chat-template-kwargs", '{"tone": "calm"}', "--reasoning-format", "none", "--reasoning-budget", "0"]
    with Server(tmp_path / "out.txt", *flags, program="apus-server") as server:
        prompt = server.post("/apply-template", {"messages": TALK[:1]})["prompt"]
        assert prompt == "<|im_start|>user\nWhat is 1 + 1?<|im_end|>\ncalm"
        # As with llama-server a last answer goes on.
        prompt = server.post("/apply-template", {"messages": TALK[:2]})["prompt"]
        assert prompt.endswith("It is 2.")
        bias = {"prompt": "Hello", "n_predict": 2, "logit_bias": [["<|im_start|>", False], [1, 1000]]}
        assert server.post("/completion", bias)["content"] == "<|im_start|><|im_start|>"
    assert "path=/apply-template" in log.read_text() and "listening" in log.read_text()
    assert "-fa has no effect here" in (tmp_path / "out.txt").read_text()
