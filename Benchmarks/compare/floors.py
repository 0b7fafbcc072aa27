"""What Apus promises of each measure: the least ratio to the best peer, or the share of the roof that stands for it."""

from dataclasses import dataclass

MEGABYTE = 1e6


@dataclass(frozen=True)
class Floor:
    """`ratio`: times as fast as the best peer (of time and memory: times as little). Where `roof` is given, that share
    of the roof measured in the same run does too, if `least` (a ratio) is reached. `limit`: the most of a measure."""

    ratio: float | None = None
    roof: float | None = None
    least: float = 0.0
    limit: float | None = None

    def text(self):
        """As tables show it."""
        parts = [f"{self.ratio:g} ×"] if self.ratio else []
        parts += [f"{self.roof:.0%} of roof"] if self.roof else []
        parts += [f"≤ {self.limit:.0f}"] if self.limit else []
        return " or ".join(parts)

    def passed(self, median, ratio, share):
        """Whether it is reached; none where what it needs was not measured."""
        if self.limit is not None:
            return median <= self.limit
        if self.roof is not None and share is not None and share >= self.roof:
            if self.least == 0:
                return True
            if ratio is not None:
                return ratio >= self.least
        if self.ratio is None or ratio is None:
            return None if share is None or self.roof is None else share >= self.roof
        return ratio >= self.ratio


def floor(measure, model):
    """The floor of a measure's name on a model (its description), or none."""
    base, _, condition = measure.partition(", ")
    small, quantized = model["small"], model["type"] not in ("F16", "BF16", "F32")
    if condition:
        return Floor(1)
    if base == "first token":
        return Floor(1.25)
    if base == "peak memory":
        return Floor(limit=1.15 * model["bytes"] / MEGABYTE + 48)
    if base.startswith("sequences") or base in ("pp2", "pp4", "pp8"):
        return Floor(1.5 if small else 1.4 if base[-1] == "2" else 2.0) if small or quantized else None
    if "@" in base:
        return Floor(2.5, roof=0.85) if base.startswith("tg") else Floor(1.4)
    if base.startswith("tg"):
        return Floor(1.3, roof=0.92) if small else Floor(1.1, roof=0.92, least=1.0)
    if not quantized:
        return Floor(roof=0.85)
    return Floor(1.5 if small else 1.35)
