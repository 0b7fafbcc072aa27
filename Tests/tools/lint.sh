#!/bin/sh
# Checks the form of the Swift, C, C++, Python and shell code: `lint.sh`; `lint.sh --fix` formats in place first.
# swift-format is the Swift toolchain's; clang-format and ruff are pinned in Tests/requirements.txt.
set -eu
cd -- "$(dirname -- "$0")/../.."
c_files() { find CKernels Sources Tests Benchmarks Examples \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -print0 2>/dev/null; }
swift_files="Package.swift Sources Tests Examples Benchmarks"
python_folders="Tests Benchmarks Bindings"

if [ "${1:-}" = --fix ]; then
    # shellcheck disable=SC2086 # a list of words
    swift format --in-place --recursive --parallel $swift_files
    c_files | xargs -0 .venv/bin/clang-format -i
    .venv/bin/ruff format -q $python_folders
    .venv/bin/ruff check -q --fix $python_folders
fi

failed=""
# shellcheck disable=SC2086
swift format lint --strict --recursive --parallel $swift_files || failed="$failed swift-format"
c_files | xargs -0 .venv/bin/clang-format --dry-run -Werror || failed="$failed clang-format"
.venv/bin/ruff format -q --check $python_folders || failed="$failed ruff-format"
.venv/bin/ruff check -q $python_folders || failed="$failed ruff"
for script in .ci/run $(find Tests Benchmarks Bindings -name '*.sh'); do
    sh -n "$script" || failed="$failed $script"
done
if [ -n "$failed" ]; then
    echo "error: lint failed:$failed (make format mends the form)" >&2
    exit 1
fi
