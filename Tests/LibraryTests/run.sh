#!/bin/sh
# Builds the C library with CMake, installs it, and holds it to apus.h, to `apus run` and to itself. `run.sh SANITIZER [SECONDS]`, with
# thread or address, instead lets the tests and the stress program (60 seconds, twice) run under a sanitizer.
# Builds in .cache/library, or in .cache/library-SANITIZER.
set -eu
cd -- "$(dirname -- "$0")/../.."
sanitizer=${1:-}
seconds=${2:-60}
build=$PWD/.cache/library${sanitizer:+-$sanitizer}
APUS_TEST_MODEL=$(realpath "${APUS_MODELS:-models}")/smollm2-135m-instruct-q4_1.gguf
export APUS_TEST_MODEL
compiler=$(Tests/tools/clang_path.sh)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quiet() { "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }; }

quiet cmake -S . -B "$build" -G Ninja -DAPUS_KERNELS=OFF -DAPUS_LIBRARY=ON -DAPUS_OPENMP=OFF \
    "-DCMAKE_C_COMPILER=$compiler" "-DCMAKE_CXX_COMPILER=$compiler++" "-DAPUS_SANITIZE=$sanitizer" \
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld "-DAPUS_WERROR=${APUS_WERROR:-0}" "-DCMAKE_INSTALL_PREFIX=$build/install"
quiet cmake --build "$build"
programs=$build/Tests/LibraryTests
if [ -n "$sanitizer" ]; then
    export TSAN_OPTIONS="halt_on_error=0 exitcode=66 ${TSAN_OPTIONS:-}"
    export ASAN_OPTIONS="detect_leaks=1 ${ASAN_OPTIONS:-}"
    for program in test_handles test_requests test_sessions; do "$programs/library_$program"; done
    "$programs/library_stress" "$seconds"
    # A tiny model makes many times as many requests of the same time.
    quiet .venv/bin/python -B Tests/Reference/synthesize.py "$build" gqa
    APUS_TEST_MODEL=$build/gqa.gguf exec "$programs/library_stress" "$seconds"
fi

ctest --test-dir "$build" --output-on-failure --no-tests=error --quiet
.venv/bin/python Tests/LibraryTests/check_abi.py "$build/Sources/CApus/libapus.so.1"

# An installed copy serves programs that know only pkg-config, or only CMake's package.
quiet cmake --install "$build"
PKG_CONFIG_PATH=$(dirname "$(find "$build/install" -name apus.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs apus)
libraries=$(pkg-config --variable=libdir apus)
# shellcheck disable=SC2086 # a list of words
cc -std=c11 -Wall -Wextra -Wpedantic -Werror Examples/c/generate.c -o "$build/generate_c" $flags
# shellcheck disable=SC2086
c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror Examples/cpp/generate.cpp -o "$build/generate_cpp" $flags
quiet cmake -S Tests/LibraryTests/install -B "$build/consumer" -G Ninja "-DCMAKE_PREFIX_PATH=$build/install"
quiet cmake --build "$build/consumer"

# The same tokens through every door.
question='Why is the sky blue?'
apus=${APUS:-.build/release/apus}
"$apus" run -m "$APUS_TEST_MODEL" -p "$question" -n 48 --temp 0 --json 2>/dev/null |
    python3 -c 'import json, sys; print(*json.load(sys.stdin)["ids"], sep="\n")' >"$build/wanted"
[ "$(wc -l <"$build/wanted")" = 48 ]
for program in "$build/generate_c" "$build/generate_cpp" "$build/consumer/generate"; do
    LD_LIBRARY_PATH=$libraries "$program" "$APUS_TEST_MODEL" "$question" 48 ids >"$build/found"
    cmp "$build/wanted" "$build/found" || { echo "$program gives other tokens than apus run" >&2; exit 1; }
done
echo "the C library's programs give the tokens of apus run"
