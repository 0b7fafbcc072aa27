#!/bin/sh
# Makes the virtual environments of the clients in .cache/clients, each from a file of requirements/.
# One that was made from the same file is left as it is, and then nothing needs the network.
set -eu
cd -- "$(dirname -- "$0")/../.."
for file in Tests/ServerTests/requirements/*.txt; do
    name=$(basename "$file" .txt)
    folder=.cache/clients/$name
    if cmp -s "$file" "$folder/installed.txt" && [ -x "$folder/bin/pytest" ]; then
        continue
    fi
    echo "Installing the clients of $file" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check -q install --no-deps -r "$file"
    cp "$file" "$folder/installed.txt"
done
