"""The comparison as text: a table of ratios, and the page kept in the repository."""

import re
import shlex

from .probes import measure
from .results import OURS


def number(value):
    """Three digits or more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(figure, digits=number):
    """median (least–greatest)."""
    if figure is None:
        return "–"
    return f"{digits(figure['median'])} ({digits(figure['min'])}–{digits(figure['max'])})"


def verdict(result):
    """pass, MISS, or nothing where no floor holds or what it needs is missing."""
    return {True: "pass", False: "MISS", None: "–"}[result.get("passed")]


def table(data, results):
    """Markdown: a table for each model."""
    engines = [engine["name"] for engine in data["engines"]]
    lines = []
    for model in data["models"]:
        rows = [result for result in results if result["model"] == model["name"]]
        if not rows:
            continue
        lines += [f"### {model['title']} ({model['bytes'] / 1e6:.0f} MB)", ""]
        lines.append("| measure | unit | " + " | ".join(engines) + " | ratio | best peer | of roof | floor | |")
        lines.append("|---|---|" + "---|" * (len(engines) + 5))
        for row in rows:
            named = measure(row["measure"])
            best = row["best_peer"]
            cells = [named.title, named.unit]
            cells += [spread(row["engines"].get(engine)) for engine in engines]
            cells.append(spread(row["ratios"].get(best), lambda value: f"{value:.2f}"))
            share = row.get("roof_share")
            cells += [best or "–", f"{share['median']:.0%}" if share else "–", row.get("floor") or "–", verdict(row)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


NOTES = " ".join(
    [
        "Figures are medians (least–greatest) over the rounds, with engines taken in turn, each in a fresh process.",
        "Ratios are taken round by round, Apus to the peer that comes nearest to it or is furthest ahead:",
        "above 1 Apus is faster (of times and memory: needs less).",
        "The roof is what apus bench measured of the machine in the same runs:",
        "its multiply-adds for prefill, its memory reads for decoding (the mean of 0.2 s before and after each run),",
        "the nearer one for few tokens at once.",
    ]
)


def without_folders(text):
    """A text whose paths do not tell where things lie on that machine (the JSON does) or a builder of a peer."""
    return re.sub(r"(?<![\w.…/])/(?:[^\s/'\"]+/)+", "…/", text)


def failures(data):
    """What could not be measured, and why; once for each engine, model and probe."""
    lines = []
    for failure in data["failures"]:
        what = " ".join(part for part in (failure.get("model"), failure.get("probe")) if part)
        reason = without_folders(failure["reason"]).strip().splitlines()
        lines.append(f"- {failure['engine']}{', ' + what if what else ''}: {failure['kind']}: {reason[0]}")
        lines += [f"  > {line}" for line in reason[1:]]
    return "\n".join(lines)


def machine(data):
    """The machine in a line."""
    found = data["machine"]
    return f"{found['cpu']}, {data['threads']} of {found['cores']} cores, {found['memory_gb']} GB, {found['system']}"


def markdown(data, results):
    """Benchmarks/RESULTS.md."""
    commands = "\n".join(shlex.join(without_folders(word) for word in command) for command in data["commands"])
    engines = "\n".join(
        f"- {engine['name']} {engine.get('version', '')}: `{'`, `'.join(flags for flags in engine['flags'])}`"
        if any(engine["flags"])
        else f"- {engine['name']} {engine.get('version', '')}"
        for engine in data["engines"]
    )
    files = "\n".join(f"- {model['file']}: {model['origin']}; {model['sha256']}" for model in data["models"])
    parts = [
        "# Apus beside other engines: the last run",
        f"Commit {data['commit']}, {data['date']}. {machine(data)}.",
        f"```\n{commands}\n```",
        NOTES,
        table(data, results).strip(),
        "## Engines",
        engines,
        "## Files (SHA-256)",
        files,
    ]
    if data["failures"]:
        parts += ["## Not measured", failures(data)]
    return "\n\n".join(parts) + "\n"


def headline(results):
    """(measure title, geometric mean of the median ratios, least, greatest, count) of each measure."""
    groups = {}
    for result in results:
        if result["best_peer"]:
            groups.setdefault(result["measure"], []).append(result["ratios"][result["best_peer"]]["median"])
    found = []
    for name, ratios in groups.items():
        product = 1.0
        for ratio in ratios:
            product *= ratio
        found.append((measure(name).title, product ** (1 / len(ratios)), min(ratios), max(ratios), len(ratios)))
    return found


__all__ = ["OURS", "failures", "headline", "machine", "markdown", "number", "spread", "table", "verdict"]
