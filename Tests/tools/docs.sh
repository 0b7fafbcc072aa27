#!/bin/sh
# Builds the documentation of the libraries and fails on any warning: `docs.sh`. The pages are in .cache/docs, a folder a module.
# It reads the modules that `swift build -c release` has left; what DocC's plug-in for SwiftPM would do, without that package.
set -eu
cd -- "$(dirname -- "$0")/../.."
out=.cache/docs
rm -rf "$out"
for module in ApusGGUF ApusJSON ApusTokenizer ApusTemplate ApusModel Apus; do
    graphs=$out/$module.graphs
    mkdir -p "$graphs"
    swift-symbolgraph-extract -module-name "$module" -minimum-access-level public -output-dir "$graphs" \
        -target "$(uname -m)-unknown-linux-gnu" -sdk / -I .build/release/Modules \
        -Xcc -fmodule-map-file=CKernels/include/module.modulemap
    # Not every module has pages of its own.
    catalogue=
    [ ! -d "Sources/$module/$module.docc" ] || catalogue=Sources/$module/$module.docc
    docc convert $catalogue --additional-symbol-graph-dir "$graphs" --output-dir "$out/$module" --warnings-as-errors \
        --fallback-display-name "$module" --fallback-bundle-identifier "apus.$module"
    rm -r "$graphs"
    echo "$module: documentation without warnings"
done
