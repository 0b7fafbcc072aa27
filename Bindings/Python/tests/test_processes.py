"""Forks, ends of processes, threads, and what is left in memory."""

import gc
import multiprocessing
import os
import threading
import time

import apus
import pytest
from support import MODEL, TEXT, TOKENS, output


def generate_in_fork(model, results):
    try:
        results.put(model.generate(TEXT, max_tokens=1))
    except apus.ForkedError as error:
        results.put(str(error))


def test_a_forked_process_is_told_and_the_parent_goes_on(model, expected):
    stream = iter(model.stream(TEXT, max_tokens=TOKENS, temperature=0))
    first = next(stream)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=generate_in_fork, args=(model, results))
    child.start()
    message = results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and "fork" in message
    assert first + "".join(stream) == expected["text"]


def test_spawned_processes_have_models_of_their_own(expected):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(generate_apart, (str(MODEL),)) == expected["text"]


def generate_apart(path):
    with apus.Model(path, n_ctx=256) as model:
        return model.generate(TEXT, max_tokens=TOKENS, temperature=0)


def test_a_program_may_end_in_the_middle_of_everything():
    code = f"""
import contextlib, threading, apus
model = apus.Model({str(MODEL)!r}, n_ctx=512)
endless = dict(max_tokens=400, ignore_eos=True)
body = {{"endpoint": "completions", "prompt": "Once", **endless}}
requests = [model.submit(body) for _ in range(3)]
open_stream = iter(model.stream("Once", **endless)); next(open_stream)
def wait():
    with contextlib.suppress(apus.CancelledError): model.generate("Twice", **endless)
threading.Thread(target=wait, daemon=True).start()
session = model.session(); session.eval([1, 2, 3]); row = session.logits()
print("end")
"""
    assert output(code) == "end\n"


def test_threads(model, expected):
    texts = []

    def work():
        for _ in range(2):
            texts.append(model.generate(TEXT, max_tokens=TOKENS, temperature=0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [expected["text"]] * 16


def test_calls_release_the_interpreter(model):
    """Another thread counts on while one computes."""
    counted = []
    stop = threading.Event()

    def count():
        while not stop.is_set():
            counted.append(time.monotonic())
            time.sleep(0.001)

    with model.session() as session:
        thread = threading.Thread(target=count)
        thread.start()
        start = time.monotonic()
        session.eval(list(range(100, 1100)))
        end = time.monotonic()
        stop.set()
        thread.join()
    inside = [moment for moment in counted if start < moment < end]
    assert len(inside) > 10, f"{len(inside)} in {end - start} s"


def resident_pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])


def test_nothing_is_left(model):
    def use():
        list(model.stream(TEXT, max_tokens=4, temperature=0))
        next(iter(model.stream(TEXT, max_tokens=4)))
        model.chat(TEXT, max_tokens=2)
        with pytest.raises(apus.InvalidArgumentError):
            model.generate(TEXT, temperature=-1)
        session = model.session()
        session.eval([1, 2])
        row = session.logits()
        session.eval([3])
        return float(row[0])

    before = apus.system_info()["handles"]
    for _ in range(10):
        use()
    gc.collect()
    pages = resident_pages()
    for _ in range(50):
        use()
    gc.collect()
    assert apus.system_info()["handles"] == before
    grown = (resident_pages() - pages) * os.sysconf("SC_PAGE_SIZE")
    assert grown < 16 << 20, f"{grown} bytes"
