#!/bin/sh
# Installs the Debian packages that a build (`setup.sh build`), the tests (`setup.sh test`) or the microbenchmark
# (`setup.sh bench`) lack.
# What is there is found by looking for the thing itself, so a machine set up in another way is left alone.
set -eu
here=$(dirname -- "$0")
clang=$("$here/clang_path.sh")
missing=""

# need PACKAGE COMMAND…: PACKAGE is missing unless COMMAND succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
# linkable TRIPLE FILE: whether clang finds FILE (a library or a start file) when it links for TRIPLE.
linkable() {
    case $("$clang" "--target=$1" "-print-file-name=$2") in
    /*) return 0 ;;
    *) return 1 ;;
    esac
}
check() {
    missing=""
    # (libomp-dev has libomp5.so in the linker's default folder.)
    need libomp-dev linkable "$native" libomp5.so
    need libedit-dev linkable "$native" libedit.so
    need python3-venv python3 -c 'import ensurepip, venv'
    if [ "$1" = test ]; then
        need cmake sh -c 'command -v cmake && command -v ctest'
        need ninja-build sh -c 'command -v ninja'
        need pkg-config sh -c 'command -v pkg-config'
        need abigail-tools sh -c 'command -v abidiff'
        need binutils sh -c 'command -v nm && command -v readelf'
        need g++ linkable "$native" libstdc++.so
        need libbenchmark-dev linkable "$native" libbenchmark.so
        need qemu-user sh -c 'command -v qemu-aarch64'
        need gcc-aarch64-linux-gnu sh -c 'command -v aarch64-linux-gnu-gcc'
        need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
    fi
    if [ "$1" = bench ]; then
        need cmake sh -c 'command -v cmake'
        need ninja-build sh -c 'command -v ninja'
        need g++ linkable "$native" libstdc++.so
        need libbenchmark-dev linkable "$native" libbenchmark.so
    fi
}

native=$("$clang" -dumpmachine)
check "${1:?usage: setup.sh build|test|bench}"
[ -n "$missing" ] || exit 0

echo "Installing with apt-get:$missing" >&2
if ! command -v apt-get >/dev/null 2>&1; then
    echo "error: no apt-get here; install what these Debian packages hold and run make again:$missing" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
    [ -t 0 ] || as_root="sudo -n" # no terminal, no question
fi
# shellcheck disable=SC2086 # both are lists of words
install() {
    $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing
}
if ! install </dev/null >&2; then
    echo "error: could not install; as root, run: apt-get install$missing" >&2
    exit 1
fi
wanted=$missing
check "$1"
if [ -n "$missing" ]; then
    echo "error: installed$wanted, but what these packages should bring is still not found:$missing" >&2
    exit 1
fi
