"""The wheel, the examples, and what the pages show."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import apus
import pytest
from support import MODEL, PACKAGE, ROOT, TEXT, output


@pytest.fixture(scope="module")
def wheel():
    """The wheel that run.sh built."""
    (path,) = Path(os.environ["APUS_WHEELS"]).glob("apus-*.whl")
    return path


def test_the_wheel_carries_the_library(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"apus/__init__.py", "apus/py.typed", "apus/libapus.so.1"} <= set(names)
    assert not any("test" in name or "example" in name for name in names)
    assert "APUS_LIBRARY" not in os.environ and Path(apus.__file__).with_name("libapus.so.1").exists()
    assert apus.__version__ == apus.system_info()["version"] == wheel.name.split("-")[1]


def test_auditwheel_finds_the_tag_right(wheel):
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, check=True
    )
    said = re.search(r'consistent with the following platform tag:\s*"(\w+)"', " ".join(done.stdout.split())).group(1)
    assert said.startswith("manylinux_2_") and wheel.stem.split("-")[-1] == said


def test_a_program(expected):
    text, ids = output(PACKAGE / "examples/generate.py", MODEL, TEXT).rstrip("\n").rsplit("\n", 1)
    assert text == expected["text"] and ast.literal_eval(ids) == expected["ids"]


def test_a_program_with_eight_streams(expected):
    lines = output(PACKAGE / "examples/streams.py", MODEL, TEXT).splitlines()
    assert lines == [f"{expected['ids']} {expected['text']!r}"] * 8


@pytest.mark.parametrize("page", [ROOT / "README.md", PACKAGE / "README.md"], ids=["README", "package"])
def test_the_code_of_the_pages_runs(page, tmp_path):
    """Every piece of Python, one after another, on the model of the tests."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    # Replies are as long as the context allows, where nothing else is said.
    code = re.sub(r'apus\.Model\("[^"]*"\)', f'apus.Model("{MODEL}", n_ctx=192)', "".join(blocks))
    assert str(MODEL) in code
    (tmp_path / "page.py").write_text(code)
    output(tmp_path / "page.py", cwd=tmp_path)
