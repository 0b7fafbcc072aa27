#!/bin/sh
# Prints the path of the clang that builds the kernels: APUS_CLANG, else the Swift toolchain's own, else PATH's.
set -eu
if [ -n "${APUS_CLANG:-}" ]; then
    printf '%s\n' "$APUS_CLANG"
    exit 0
fi
if ! command -v swift >/dev/null 2>&1; then
    echo "error: no 'swift' in PATH; Apus needs Swift 6.3 or newer" >&2
    exit 1
fi
# `swift` may be a launcher that stands elsewhere, so the toolchain itself is asked where it is.
resources=$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')
for candidate in "$resources/../../bin/clang" "$(command -v clang || true)"; do
    if [ -x "$candidate" ]; then
        realpath -s -- "$candidate"
        exit 0
    fi
done
echo "error: no 'clang' beside the Swift toolchain ($resources) nor in PATH" >&2
exit 1
