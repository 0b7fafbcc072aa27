#!/bin/sh
# Compares the interface of the product Apus with that of the last version (the newest tag like 1.2.3 or v1.2.3 behind HEAD):
# `api_breaks.sh`. Fails where something that a program may use has gone or changed. Versions below 1.0 may break it, and say so in
# CHANGELOG.md: then it only tells. (Swift's digest of an interface has `package` declarations too: a change of theirs fails as well,
# and a declaration that was public and is `package` now does not.)
set -eu
cd -- "$(dirname -- "$0")/../.."
tag=$(git describe --tags --abbrev=0 --match '[0-9]*.[0-9]*.[0-9]*' --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null) || {
    echo "no version is tagged yet: there is no interface to compare with"
    exit 0
}
echo "comparing the interface of Apus with that of $tag"
status=0
swift package diagnose-api-breaking-changes "$tag" --products Apus || status=$?
case ${tag#v} in
0.*) ;;
*) exit $status ;;
esac
