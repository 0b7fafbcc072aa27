"""Builds apus_microbench, runs it, and draws the page: what `make microbench` does.

    python Benchmarks/microbench/microbench.py [OPTIONS] [FLAGS OF apus_microbench]

--baseline  says what got faster or slower than in an older results.json, beyond the noise of both runs
--ggml      a build of llama.cpp whose ggml --peers measures too
--out       where results.json and roofline.html go: .cache/microbench
--no-run    draws the page of the results that are there
"""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

import baseline
import roofline

ROOT = Path(__file__).resolve().parents[2]


def build(ggml):
    """Configures and builds with the Swift toolchain's clang; returns the program."""
    clang = subprocess.run(
        [ROOT / "Tests/tools/clang_path.sh"], check=True, capture_output=True, text=True
    ).stdout.strip()
    folder = ROOT / ".cache/microbench/build"
    configure = [
        "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_C_COMPILER={clang}", f"-DCMAKE_CXX_COMPILER={clang}++",
        "-DCMAKE_C_FLAGS_RELEASE=-O2", "-DCMAKE_CXX_FLAGS_RELEASE=-O2",  # as SwiftPM compiles
        f"-DAPUS_WERROR={os.environ.get('APUS_WERROR', '0')}", "-DBUILD_TESTING=OFF", "-DAPUS_BENCHMARKS=ON",
        f"-DAPUS_GGML={Path(ggml).resolve() if ggml else ''}",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", folder]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(done.stdout + f"error: {' '.join(map(str, command[:3]))} … failed")
    return folder / "Benchmarks/microbench/apus_microbench"


def commit():
    """The commit that is measured, with + where files differ from it."""
    try:
        git = ["git", "-C", ROOT]
        name = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], check=True, capture_output=True, text=True
        ).stdout
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout
        return name.strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, help="an older results.json")
    parser.add_argument("--ggml", default=os.environ.get("APUS_GGML"), help="build folder of llama.cpp")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache/microbench")
    parser.add_argument("--no-run", action="store_true")
    options, flags = parser.parse_known_args()

    # Read first: it may be the file that this run replaces.
    old = baseline.load(options.baseline) if options.baseline else None
    results = options.out / "results.json"
    if not options.no_run:
        program = build(options.ggml)
        options.out.mkdir(parents=True, exist_ok=True)
        started = datetime.datetime.now()
        command = [program, f"--benchmark_out={results}", "--benchmark_out_format=json"]
        command += [f"--benchmark_context=commit={commit()}", *flags]
        status = subprocess.run(command).returncode
        if status or any(flag.startswith("--benchmark_list_tests") or flag in ("--help", "-h") for flag in flags):
            sys.exit(status)
        seconds = (datetime.datetime.now() - started).total_seconds()
        print(f"\n{seconds / 60:.1f} minutes; results: {os.path.relpath(results)}")
    new = baseline.load(results)
    changes = baseline.compare(old, new) if old else None
    if changes is not None:
        print(baseline.report(changes))
    page = options.out / "roofline.html"
    page.write_text(roofline.page(new, changes), encoding="utf-8")
    print(f"page: {os.path.relpath(page)}")


if __name__ == "__main__":
    main()
