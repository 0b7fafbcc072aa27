#!/bin/sh
# Every test. One build configuration (release), shared with `make run`; the kernels are built apart, by CMake.
set -eu
cd -- "$(dirname -- "$0")/../.."
# The fuzzers first, for five seconds each: an own small build, with AddressSanitizer.
Tests/Fuzz/run.sh 5
# The comparison with other engines and servers, on scripts in their place; the microbenchmark itself, on two small cases.
.venv/bin/python Tests/BenchmarkTests/test_compare.py
.venv/bin/python Tests/BenchmarkTests/test_serve.py
.venv/bin/python Tests/BenchmarkTests/test_microbench.py
swift build -c release --build-tests
# The libraries' documentation, of the modules that this build has left.
Tests/tools/docs.sh
# The command, held to the f64 reference and to itself.
.venv/bin/python Tests/Reference/test_numerics.py
# The C library, which has a build of its own: other traits, and Swift's runtime inside.
Tests/LibraryTests/run.sh
# The same under the sanitizers, with some seconds of threads that submit and cancel at random; `make stress` takes a minute.
Tests/LibraryTests/run.sh thread 5
Tests/LibraryTests/run.sh address 5
# The server, with the clients that people have.
Tests/ServerTests/run.sh
# The Python package, with the C library in its wheel.
Bindings/Python/tests/run.sh
# The Swift tests last, so that a runner's closing line stands at the end. They run the kernels' C programs under ctest
# (Tests/CKernelsTests), the house rules (Tests/StyleTests) and comparisons with Python's tokenizers and gguf.
exec swift test -c release --skip-build
