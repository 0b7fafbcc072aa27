"""Continues a text: `generate.py MODEL TEXT`. The text comes as it is made; the last line has the tokens."""

import sys

import apus

with apus.Model(sys.argv[1]) as model:
    stream = model.stream(sys.argv[2], max_tokens=24, temperature=0)
    for piece in stream:
        print(piece, end="", flush=True)
    print()
    print(stream.ids)
