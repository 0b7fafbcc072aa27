#!/bin/sh
# Fuzzes every target: run.sh SECONDS [TARGET]. A target is a file NAME_fuzz.swift here; its seeds are in seeds/NAME.
# Swift's package manager does not link libFuzzer, so the modules are compiled here, with AddressSanitizer.
# Traps (overflow, index out of range) are crashes too. What made a target crash is kept in .build-fuzz and named.
set -eu

seconds=${1:?seconds for each target}
only=${2:-}
here=$(cd -- "$(dirname -- "$0")" && pwd)
root=$(cd -- "$here/../.." && pwd)
build=$root/.build-fuzz
swiftc=${SWIFTC:-swiftc}
flags="-swift-version 6 -package-name apus -parse-as-library -O -g -sanitize=fuzzer,address -I $build"
flags="$flags -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility"
flags="$flags -enable-upcoming-feature InternalImportsByDefault"
# The modules that targets may import, those that others import first.
modules="ApusGGUF ApusJSON ApusTemplate ApusTokenizer"

mkdir -p "$build"
objects=
for module in $modules; do
    [ -d "$root/Sources/$module" ] || continue
    object=$build/$module.o
    # An object is made anew when a source or an object before it is younger; a removed source changes its folder.
    if [ ! -f "$object" ] || [ -n "$(find "$root/Sources/$module" "$0" $objects -newer "$object")" ]; then
        echo "fuzz: compiling $module"
        # shellcheck disable=SC2086 # flags are words
        find "$root/Sources/$module" -name '*.swift' -print0 | sort -z \
            | xargs -0 "$swiftc" $flags -wmo -c -module-name "$module" -o "$object" \
                -emit-module -emit-module-path "$build/$module.swiftmodule"
    fi
    objects="$objects $object"
done

for source in "$here"/*_fuzz.swift; do
    name=$(basename "$source" _fuzz.swift)
    [ -z "$only" ] || [ "$only" = "$name" ] || continue
    target=$build/$name
    # shellcheck disable=SC2086 # so are objects
    if [ ! -f "$target" ] || [ -n "$(find "$source" $objects -newer "$target")" ]; then
        echo "fuzz: linking $name"
        # lld, since gold warns of every one of the sanitizer's symbols.
        "$swiftc" $flags -use-ld=lld -module-name "${name}_fuzz" "$source" $objects -o "$target"
    fi
    echo "fuzz: running $name for $seconds s"
    mkdir -p "$build/corpus/$name"
    # 64 MB is what a file may cost beyond its size; the limits stand above what the sanitizer itself needs.
    if ! ASAN_OPTIONS=detect_leaks=0 "$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=768 \
        -malloc_limit_mb=64 -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/$name-" \
        "$build/corpus/$name" "$here/seeds/$name" >"$build/$name.log" 2>&1; then
        tail -n 60 "$build/$name.log"
        echo "fuzz: $name failed; the input that did it is named above" >&2
        exit 1
    fi
    grep -E 'number_of_executed_units|^#[0-9]+.*DONE' "$build/$name.log"
done
