"""Apus beside other engines on the same files, threads and machine, in turn. See `python Benchmarks/compare --help`."""
