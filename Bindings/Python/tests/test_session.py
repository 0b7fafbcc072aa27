"""The token level, and its arrays over the library's memory."""

import gc
import sys

import apus
import numpy
import pytest
from support import MODEL, TEXT, TOKENS, output


@pytest.fixture
def session(model):
    with model.session() as session:
        yield session


def continue_greedily(session, count):
    ids = []
    for _ in range(count):
        ids.append(int(session.logits().argmax()))
        session.eval(ids[-1:])
    return ids


def test_ids_are_those_of_the_command(session, expected):
    session.eval(expected["prompt_ids"])
    assert continue_greedily(session, TOKENS) == expected["ids"]
    session.truncate(len(expected["prompt_ids"]))
    session.eval(expected["ids"][:1])
    drawn = []
    for _ in range(5):
        drawn.append(session.sample(temperature=0))
        session.eval(drawn[-1:])
    assert drawn == expected["ids"][1:6]
    assert len(session) == len(expected["prompt_ids"]) + 6


def test_seeds(session, expected):
    def draw(**sampling):
        return [session.sample(temperature=1.5, **sampling) for _ in range(8)]

    session.eval(expected["prompt_ids"])
    first = draw(seed=1)
    assert draw(seed=2) != first and draw(seed=1) == first and draw(seed=1) != first


def test_logits_are_an_array_over_the_memory(session, expected):
    session.eval(expected["prompt_ids"], all_logits=True)
    rows = [session.logits(i) for i in range(len(expected["prompt_ids"]))]
    last = session.logits()
    assert all(row.dtype == numpy.float32 and row.shape == (49152,) and not row.flags.owndata for row in rows)
    assert last.ctypes.data == rows[-1].ctypes.data == session.logits().ctypes.data
    with pytest.raises(ValueError):
        last[0] = 1
    with pytest.raises(apus.InvalidArgumentError, match="index"):
        session.logits(len(rows))


def test_arrays_stay_what_they_are(model, expected):
    """Whatever becomes of the session meanwhile, closing and forgetting it included."""
    ids = expected["prompt_ids"]
    before = apus.system_info()["handles"]["sessions"]
    session = model.session()
    kept = []
    for number, token in enumerate(ids + expected["ids"]):
        session.eval([token])
        row = session.logits()
        kept.append((row, row.copy()))
        if number == 10:
            session.truncate(11)
            fork = session.fork()
            fork.eval([1, 2, 3])
    assert len(session) == len(ids) + TOKENS
    session.close()
    with pytest.raises(apus.InvalidArgumentError, match="closed"):
        session.logits()
    del session, fork, row
    gc.collect()
    others = [model.session() for _ in range(4)]
    for other in others:
        other.eval([5] * 40, all_logits=True)
    assert all((row == copy).all() for row, copy in kept)
    assert [int(row.argmax()) for row, _ in kept[len(ids) - 1 : -1]] == expected["ids"]
    del other, others, kept
    gc.collect()
    assert apus.system_info()["handles"]["sessions"] == before


def test_forks_and_files(session, model, expected, tmp_path):
    with pytest.raises(apus.InvalidArgumentError, match="no logits|no tokens|index"):
        session.logits()
    session.eval(expected["prompt_ids"])
    row = session.logits()
    fork = session.fork()
    assert (fork.logits() == row).all()
    assert continue_greedily(fork, 6) == expected["ids"][:6]
    assert len(session) == len(expected["prompt_ids"])
    session.save(tmp_path / "saved")
    with model.session() as other:
        other.load(tmp_path / "saved")
        other.eval(expected["ids"][:1])
        assert int(other.logits().argmax()) == expected["ids"][1]
        with pytest.raises(FileNotFoundError):
            other.load(tmp_path / "missing")
        (tmp_path / "damaged").write_bytes(b"no session")
        with pytest.raises(apus.BadModelError):
            other.load(tmp_path / "damaged")
        with pytest.raises(OSError):
            other.save(tmp_path / "missing" / "folder")
        assert len(other) == len(expected["prompt_ids"]) + 1


def test_what_is_wrong(session, model):
    for tokens in ([], [49152], [-1], [2**40]):
        with pytest.raises(apus.InvalidArgumentError):
            session.eval(tokens)
    with pytest.raises(apus.ContextFullError):
        session.eval([1] * 2049)
    for length in (1, -1):
        with pytest.raises(apus.InvalidArgumentError, match="length"):
            session.truncate(length)
    with pytest.raises(apus.InvalidArgumentError, match="temperature"):
        session.eval([1])
        session.sample(temperature=-1)
    with pytest.raises(TypeError):
        session.eval(["word"])
    assert len(session) == 1


def test_without_numpy(expected):
    code = f"""
import sys
sys.modules["numpy"] = None
import apus
with apus.Model({str(MODEL)!r}, n_ctx=64) as model, model.session() as session:
    session.eval(model.tokenize({TEXT!r}))
    row = session.logits()
    assert type(row) is memoryview and row.readonly and row.format == "f" and len(row) == 49152
    print(max(range(len(row)), key=row.__getitem__))
    vector = model.embed("A cat.")
    assert type(vector) is memoryview and abs(sum(x * x for x in vector) - 1) < 1e-4
"""
    assert int(output(code)) == expected["ids"][0]
    assert "numpy" in sys.modules  # only that process had none
