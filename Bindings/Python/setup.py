"""Puts the C library into the wheel: $APUS_LIBRARY's, or one that is built here, by CMake and the Swift compiler.

What else is to be said of the package stands in pyproject.toml.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FILE_NAME = "libapus.so.1"


def library() -> Path:
    """The library, built if need be."""
    given = os.environ.get("APUS_LIBRARY")
    if given:
        return Path(given)
    if not (ROOT / "Sources/CApus/CMakeLists.txt").exists():
        raise SystemExit("error: the sources of Apus are not here; set APUS_LIBRARY to the path of " + FILE_NAME)
    build = ROOT / ".cache/python/library"
    clang = subprocess.run([ROOT / "Tests/tools/clang_path.sh"], check=True, capture_output=True, text=True).stdout
    options = ["-DAPUS_LIBRARY=ON", "-DAPUS_KERNELS=OFF", "-DBUILD_TESTING=OFF", f"-DCMAKE_C_COMPILER={clang.strip()}"]
    # What the C library's tests compiled need not be compiled again.
    scratch = f"-DAPUS_SWIFT_SCRATCH={ROOT / '.cache/library/swift'}"
    subprocess.run(["cmake", "-S", ROOT, "-B", build, *options, scratch], check=True)
    subprocess.run(["cmake", "--build", build, "--target", "apus_library"], check=True)
    return build / "Sources/CApus" / FILE_NAME


def platform_tag(path: Path) -> str:
    """The tag of the oldest systems that a library runs on: its symbols' versions say which glibc it needs."""
    needed = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)(?=[.\0])", path.read_bytes())]
    if platform.system() != "Linux" or not needed:
        raise SystemExit(f"error: {path} is not a library for Linux with glibc")
    return f"manylinux_2_{max(needed)}_{platform.machine()}"


class BuildWithLibrary(build_py):
    """Copies the modules, and the library beside them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copyfile(library(), Path(self.build_lib) / "apus" / FILE_NAME)


class WheelForLibrary(bdist_wheel):
    """A wheel for any Python 3 on what the library runs on."""

    def get_tag(self):
        return "py3", "none", platform_tag(Path(self.bdist_dir) / "apus" / FILE_NAME)


class DistributionWithLibrary(Distribution):
    """A distribution that is not the same on every machine."""

    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelForLibrary}, distclass=DistributionWithLibrary)
