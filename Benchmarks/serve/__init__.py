"""Loads a server with clients, and others' beside it: `python Benchmarks/serve --help`."""
