#!/bin/sh
# Tests the server with real clients, with many at a time, and with what none should send: `run.sh [PYTEST'S ARGUMENTS]`.
# APUS_BIN is the command (default .build/release/apus), APUS_MODELS the folder with SmolLM2 (default models).
# The tests of an environment share a server.
set -eu
cd -- "$(dirname -- "$0")/../.."
Tests/ServerTests/environments.sh
export PYTHONDONTWRITEBYTECODE=1
failed=""
for environment in clients litellm lm_eval; do
    case $environment in
    clients) files=$(ls Tests/ServerTests/test_*.py | grep -v -e litellm -e lm_eval) ;;
    *) files=Tests/ServerTests/test_$environment.py ;;
    esac
    # shellcheck disable=SC2086 # a list of files without spaces
    .cache/clients/$environment/bin/python -m pytest -q -p no:cacheprovider --durations=3 $files "$@" ||
        failed="$failed $environment"
done
if [ -n "$failed" ]; then
    echo "error: tests of the server failed in:$failed" >&2
    exit 1
fi
