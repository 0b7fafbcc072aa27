#!/bin/sh
# Builds the wheels of the Python package and its plug-in for llm, and tests what is in them: `run.sh [PYTEST'S ARGUMENTS]`.
# APUS_LIBRARY is libapus.so.1 (without it the wheel's own step builds it), APUS_BIN the command (default
# .build/release/apus), APUS_MODELS the folder with SmolLM2 (default models).
set -eu
cd -- "$(dirname -- "$0")/../../.."
Tests/ServerTests/environments.sh
python=$PWD/.cache/clients/clients/bin/python
work=$PWD/.cache/python
rm -rf "$work/wheels" "$work/site" "$work/source" Bindings/Python/build
mkdir -p "$work/wheels" "$work/source"
cp -R Bindings/Python/examples/llm-apus "$work/source/llm-apus"
pip() { "$python" -m pip --disable-pip-version-check -q "$@"; }
pip wheel --no-deps --no-build-isolation --no-index -w "$work/wheels" ./Bindings/Python "$work/source/llm-apus"
pip install --no-deps --no-index --no-compile --target "$work/site" "$work"/wheels/*.whl
unset APUS_LIBRARY # what is tested is the library in the wheel
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work/site" APUS_WHEELS="$work/wheels"
"$python" -m pytest -q -p no:cacheprovider --durations=3 Bindings/Python/tests "$@"
