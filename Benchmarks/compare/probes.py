"""What is measured: a probe is one process of each engine, and tells one or more measures."""

from dataclasses import dataclass, field

TOKENS_PER_SECOND = "tokens/s"


@dataclass(frozen=True)
class Probe:
    """One process of each engine. Sizes are llama-bench's: prompts, generations, the depth they start at."""

    name: str
    prompts: tuple = ()
    generations: tuple = ()
    depth: int = 0
    sequences: tuple = ()
    repetitions: int = 1
    start: bool = False
    avx2: bool = False
    busy: bool = False

    @property
    def suffix(self):
        """What sets its measures apart from those of the same sizes."""
        return ", AVX2" if self.avx2 else ", a core busy" if self.busy else ""

    def measures(self):
        """The names of the measures, in the order of tables."""
        if self.start:
            return ["first token", "peak memory"]
        names = [f"sequences {count}" for count in self.sequences]
        names += [rate_name(prompt, 0, self.depth) for prompt in self.prompts]
        names += [rate_name(0, generated, self.depth) for generated in self.generations]
        return [name + self.suffix for name in names]


def rate_name(prompt, generated, depth):
    """llama-bench's name of a test."""
    name = f"pp{prompt}" if prompt else f"tg{generated}"
    return f"{name} @ d{depth}" if depth else name


PROBES = {
    probe.name: probe
    for probe in [
        Probe("rates", prompts=(512,), generations=(128,)),
        Probe("few", prompts=(2, 4, 8), repetitions=5),
        Probe("batched", sequences=(2, 4, 8)),
        Probe("depth", prompts=(256,), generations=(32,), depth=4096),
        Probe("start", start=True),
        Probe("busy", prompts=(512,), generations=(32,), busy=True),
        Probe("avx2", prompts=(512,), generations=(128,), avx2=True),
    ]
}


@dataclass(frozen=True)
class Measure:
    """How a measure is read."""

    name: str
    title: str
    unit: str = TOKENS_PER_SECOND
    less_is_better: bool = False
    text: str = field(default="")


def measure(name):
    """The measure of a name that a probe gave."""
    base = name.split(", ")[0]
    condition = {"AVX2": "with AVX2 only", "a core busy": "one core taken by a busy process"}.get(name[len(base) + 2 :])
    if base == "first token":
        return Measure(name, "Process start to first token", "s", True)
    if base == "peak memory":
        return Measure(name, "Peak memory", "MB", True)
    if base.startswith("sequences"):
        title = f"{base.split()[1]} sequences decoding together"
    else:
        test, _, depth = base.partition(" @ d")
        count = int(test[2:])
        kind = "Prefill" if test.startswith("pp") else "Decode"
        title = f"{count} tokens at once" if kind == "Prefill" and count <= 64 else f"{kind} of {count} tokens"
        title += f" at depth {depth}" if depth else ""
    return Measure(name, title + (f", {condition}" if condition else ""))
