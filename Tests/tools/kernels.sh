#!/bin/sh
# Builds the kernels alone with CMake and runs their tests under ctest: `kernels.sh host|pthreads|sanitize|aarch64`.
#   host      this machine, on OpenMP          pthreads  this machine, on the pthread team
#   sanitize  as pthreads, with AddressSanitizer and UBSan
#   aarch64   cross-compiled, under qemu with two models of CPU
# Builds in .cache/kernels/NAME, or in APUS_KERNELS_BUILD/NAME.
set -eu
cd -- "$(dirname -- "$0")/../.."
# SwiftPM compiles with -O2 and with assertions; what is tested here is compiled alike.
set -- "$@" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=-O2" "-DAPUS_WERROR=${APUS_WERROR:-0}"
name=$1
shift
case $name in
host) set -- "$@" -DAPUS_OPENMP=ON ;;
pthreads) set -- "$@" -DAPUS_OPENMP=OFF ;;
sanitize) set -- "$@" -DAPUS_OPENMP=OFF -DAPUS_SANITIZE=address,undefined ;;
aarch64) set -- "$@" -DAPUS_OPENMP=OFF "-DCMAKE_TOOLCHAIN_FILE=$PWD/CKernels/cmake/aarch64-linux-gnu.cmake" ;;
*)
    echo "usage: kernels.sh host|pthreads|sanitize|aarch64" >&2
    exit 64
    ;;
esac
build=${APUS_KERNELS_BUILD:-.cache/kernels}/$name
log=$(mktemp)
trap 'rm -f "$log"' EXIT
compiler=$(Tests/tools/clang_path.sh)
# The toolchain's own linker: Debian's gold warns of AddressSanitizer's symbols.
if [ -x "$(dirname -- "$compiler")/ld.lld" ]; then
    set -- "$@" -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld
fi
# What CMake says is of interest only when it fails.
if ! { cmake -S . -B "$build" "-DCMAKE_C_COMPILER=$compiler" "$@" && cmake --build "$build"; } >"$log" 2>&1; then
    cat "$log"
    exit 1
fi
grep -E 'warning:' "$log" || true
# What Python's gguf decodes the blocks of every weight type to, for test_quants.
vectors=$PWD/.cache/quant-vectors
if [ -z "$(find "$vectors/done" -newer Tests/Reference/quant_vectors.py -newer Tests/Reference/block_types.py 2>/dev/null)" ]
then
    .venv/bin/python -B Tests/Reference/quant_vectors.py "$vectors"
    touch "$vectors/done"
fi
export APUS_QUANT_VECTORS="$vectors"
# Emulated programs take long and measure nothing: side by side.
jobs=1
[ "$name" != aarch64 ] || jobs=$(nproc)
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs"
