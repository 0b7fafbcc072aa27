"""Holds libapus.so.1 to apus.h: the functions that it exports, what it needs to run, and the committed description.

    check_abi.py LIBRARY        check_abi.py --update

Swift's compiler holds every function to the header's types (`@c @implementation`), but describes none of them in a way
that abidw can read. So the description is that of a library of empty functions, which is made of the header.
"""

import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADER = TOP / "Sources/CApus/include/apus.h"
SCRIPT = TOP / "Sources/CApus/apus.map"
DESCRIPTION = TOP / "Sources/CApus/apus.abi"
DESCRIBED = platform.machine() == "x86_64"
# What every system with a C++ compiler's runtime has: no libswift*, no libomp.
SYSTEM = re.compile(r"(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl|ld-linux-[\w-]+)\.so[.\d]*")


def run(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, text=True, capture_output=True).stdout


def functions() -> list[tuple[str, str]]:
    """Names of the header's functions and their declarations without the semicolon."""
    text = re.sub(r"//[^\n]*", "", HEADER.read_text())
    declared = re.findall(r"^APUS_API ([^;{]*?\b(apus_\w+)\([^;]*\));", text, re.MULTILINE)
    return [(name, declaration) for declaration, name in declared]


def differences(what: str, found: set[str], wanted: set[str]) -> list[str]:
    missing = [f"{what} lacks {name}" for name in sorted(wanted - found)]
    return missing + [f"{what} has {name}, which apus.h has not" for name in sorted(found - wanted)]


def check_symbols(library: pathlib.Path, names: set[str]) -> list[str]:
    script = set(re.findall(r"^\s+(apus_\w+);", SCRIPT.read_text(), re.MULTILINE))
    lines = [line.split() for line in run("nm", "-D", "--defined-only", library).splitlines()]
    exported = {line[2].split("@")[0] for line in lines if line[2] != "APUS_1.0"}
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", library))
    soname = re.findall(r"\(SONAME\).*\[(.*)\]", run("readelf", "-d", library))
    wrong = differences("apus.map", script, names) + differences("the library", exported, names)
    wrong += [f"the library needs {name}" for name in needed if not SYSTEM.fullmatch(name)]
    if soname != ["libapus.so.1"]:
        wrong.append(f"the library's name is {soname}, wanted: libapus.so.1")
    return wrong


def stub(folder: pathlib.Path) -> pathlib.Path:
    """A library of empty functions, with what debuggers are told of their types."""
    bodies = [
        f"{declaration} {{ {'' if declaration.startswith('void ' + name) else 'return 0;'} }}"
        for name, declaration in functions()
    ]
    source, library = folder / "stub.c", folder / "libapus.so.1"
    source.write_text('#include "apus.h"\n' + "\n".join(bodies))
    compiler = run(TOP / "Tests/tools/clang_path.sh").strip()
    options = ["-std=c11", "-g", "-O0", "-shared", "-fPIC", "-fuse-ld=lld", "-Wno-unused-parameter"]
    link = ["-Wl,-soname=libapus.so.1", f"-Wl,--version-script={SCRIPT}"]
    run(compiler, *options, *link, "-I", HEADER.parent, source, "-o", library)
    return library


def describe(folder: pathlib.Path) -> str:
    """The ABI in abidw's words, without the paths of this machine."""
    options = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--type-id-style", "hash"]
    return run("abidw", *options, stub(folder)).replace(str(folder), ".").replace(str(HEADER.parent), ".")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if sys.argv[1:] == ["--update"]:
            DESCRIPTION.write_text(describe(folder))
            return 0
        wrong = check_symbols(pathlib.Path(sys.argv[1]), {name for name, _ in functions()})
        if DESCRIBED and not shutil.which("abidiff"):
            wrong.append("abidiff is missing (Debian: abigail-tools), which compares the ABI with apus.abi")
        elif DESCRIBED:
            outcome = subprocess.run(["abidiff", DESCRIPTION, stub(folder)], text=True, capture_output=True)
            if outcome.returncode != 0:
                wrong.append(
                    "the ABI differs from apus.abi (check_abi.py --update, if only something was added):\n"
                    + outcome.stdout
                    + outcome.stderr
                )
    said = "the ABI is apus.abi's" if DESCRIBED else "its ABI is not compared: apus.abi describes that of x86-64"
    print("\n".join(wrong) or f"the library has the {len(functions())} functions of apus.h, and {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
