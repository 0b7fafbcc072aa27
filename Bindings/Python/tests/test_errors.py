"""Exceptions, and the package held to apus.h."""

import re
import subprocess

import apus
import numpy
import pytest
from apus import _library, errors
from support import MODEL, ROOT, python

HEADER = (ROOT / "Sources/CApus/include/apus.h").read_text()


def test_every_function_of_the_header_is_declared():
    found = {}
    for result, name, arguments in re.findall(r"APUS_API ([\w ]+?[ *]+)(apus_\w+)\(([^)]*)\);", HEADER):
        arguments = [argument for argument in arguments.split(",") if argument.strip() != "void"]
        found[name] = (result.strip(), len(arguments))
    declared = {name: ("apus_status", len(arguments) + 1) for name, arguments in _library.CALLS.items()}
    assert declared == {name: facts for name, facts in found.items() if facts[0] == "apus_status"}
    others = {name: len(arguments) for name, (_, arguments) in _library.OTHERS.items()}
    assert others == {name: count for name, (result, count) in found.items() if result != "apus_status"}


def test_every_status_and_constant_of_the_header():
    numbers = {name: int(number) for name, number in re.findall(r"(APUS_[A-Z_]+)\s*=\s*(\d+)", HEADER)}
    statuses = re.search(r"enum \{\s*APUS_OK(.*?)\};", HEADER, re.DOTALL).group(1)
    assert {int(number) for number in re.findall(r"= (\d+)", statuses)} - {0} == set(errors.BY_STATUS)
    for name in ("EVENT_TEXT", "EVENT_TOKEN", "EVENT_DONE", "EVENT_ERROR", "EVENT_CHUNK", "ALL_LOGITS", "ADD_SPECIAL"):
        assert getattr(_library, name) == numbers["APUS_" + name]
    assert f"#define APUS_ABI_MAJOR {apus.ABI_MAJOR}\n" in HEADER
    event = re.search(r"typedef struct apus_event \{(.*?)\}", HEADER, re.DOTALL).group(1)
    members = re.findall(r"(\w+);", re.sub(r"///.*", "", event))
    assert members == [name for name, *_ in _library.EventStruct._fields_]


def test_kinds_and_messages(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.gguf") as missing:
        apus.Model(tmp_path / "missing.gguf")
    assert isinstance(missing.value, apus.NotFoundError) and missing.value.status == 2
    with open(MODEL, "rb") as file:
        (tmp_path / "bad.gguf").write_bytes(file.read(1000))
    with pytest.raises(apus.BadModelError, match="bad.gguf"):
        apus.Model(tmp_path / "bad.gguf")
    before = apus.system_info()["handles"]
    for options in ({"n_ctx": -1}, {"n_gpu_layers": 1}, {"temperature": "hot"}):
        with pytest.raises(apus.InvalidArgumentError, match=next(iter(options))):
            apus.Model(MODEL, **options)
    assert apus.system_info()["handles"] == before
    for parameters in ({"temperature": -1}, {"top_p": "much"}, {"max_tokens": -5}, {"temprature": 1}):
        with pytest.raises(apus.InvalidArgumentError, match=next(iter(parameters))):
            model.generate("Hi", **parameters)
    with pytest.raises(apus.InvalidArgumentError, match="n is 2"):
        model.generate("Hi", n=2)
    with pytest.raises(apus.ContextFullError):
        model.generate("word " * 3000)
    with pytest.raises(apus.InvalidArgumentError, match="messages"):
        model.chat([])
    with pytest.raises(ValueError):
        model.detokenize([10**6])
    for prompt in (b"Hi", [1.5], numpy.array([1.0]), 7):
        with pytest.raises(TypeError):
            model.generate(prompt, max_tokens=1)
    with pytest.raises(apus.InvalidArgumentError, match="NUL"):
        apus.Model(f"{MODEL}\0.gguf")
    with model.session() as session:
        session.eval([1, 2])
        # Numbers of which ctypes would pass the last 64 bits.
        for wrong in (lambda: session.truncate(2**64), lambda: session.logits(2**64), lambda: session.eval([2**40])):
            with pytest.raises(apus.InvalidArgumentError):
                wrong()
        assert len(session) == 2
    with pytest.raises(apus.UnsupportedError):
        model.chat("Hi", tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
    assert errors.exception(12345, "new").__class__ is apus.InternalError


def test_closing():
    model = apus.Model(MODEL, n_ctx=64)
    session, engine = model.session(), apus.Engine(model)
    assert model.generate("Hi", max_tokens=1, temperature=0)
    model.close()
    model.close()
    assert model.closed
    for use in (lambda: model.generate("Hi"), lambda: model.tokenize("Hi"), model.session, lambda: apus.Engine(model)):
        with pytest.raises(apus.InvalidArgumentError, match="closed"):
            use()
    # What was made of it goes on.
    session.eval([1, 2, 3])
    assert engine.generate("Hi", max_tokens=2, temperature=0)
    session.close()
    engine.close()


def test_other_libraries(tmp_path):
    def load(path):
        done = python("import apus", env={"PYTHONPATH": ":".join(__import__("sys").path), "APUS_LIBRARY": str(path)})
        assert done.returncode == 1
        return done.stderr.splitlines()[-1]

    assert "cannot load" in load(tmp_path / "missing.so")
    assert "not a library of Apus" in load("libm.so.6")
    library = tmp_path / "libapus.so.2"
    source = b"unsigned apus_abi_version(void) { return 2u << 16; }\n"
    compiler = subprocess.run([ROOT / "Tests/tools/clang_path.sh"], capture_output=True, text=True, check=True)
    build = [compiler.stdout.strip(), "-shared", "-fPIC", "-x", "c", "-o", library, "-"]
    subprocess.run(build, input=source, check=True)
    assert load(library).endswith(f"{library} has ABI 2.0, wanted: {apus.ABI_MAJOR}")


def test_log(model):
    lines = []
    apus.set_log_callback(lambda level, message: lines.append((level, message)))
    try:
        apus.Model(MODEL, n_ctx=64).close()
    finally:
        apus.set_log_callback(None)
    assert all(level in (1, 2, 3) and isinstance(message, str) for level, message in lines)
    assert lines
