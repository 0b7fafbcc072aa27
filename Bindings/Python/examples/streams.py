"""Eight replies at the same time on one engine, in asyncio: `streams.py MODEL TEXT`. Prints the tokens of each."""

import asyncio
import sys

import apus


async def reply(model: apus.Model, text: str) -> "tuple[str, list[int]]":
    stream = model.stream(text, max_tokens=24, temperature=0)
    pieces = [piece async for piece in stream]
    return "".join(pieces), stream.ids


async def main() -> None:
    with apus.Model(sys.argv[1]) as model:
        for text, ids in await asyncio.gather(*[reply(model, sys.argv[2]) for _ in range(8)]):
            print(ids, repr(text))


asyncio.run(main())
