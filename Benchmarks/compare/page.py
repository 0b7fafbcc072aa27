"""compare.html: one page without anything outside it, for people. Ratios first, then bars, then what repeats it."""

import math
import shlex
from html import escape
from pathlib import Path

from .probes import measure
from .report import NOTES, OURS, headline, machine, number, verdict

WIDTH = 1000


def classes(data):
    """The colour of each engine: Apus's own, and one of three for the peers."""
    names = [engine["name"] for engine in data["engines"]]
    peers = [name for name in names if name != OURS]
    found = {name: f"peer{index % 3 + 1}" for index, name in enumerate(peers)}
    return {name: found.get(name, "apus") for name in names}


def tag(name, content=None, **attributes):
    """An element; `_` in an attribute's name stands for `-`, and `cls` for class."""
    words = [
        f'{"class" if key == "cls" else key.replace("_", "-")}="{escape(shown(value), quote=True)}"'
        for key, value in attributes.items()
    ]
    start = " ".join([name, *words])
    return f"<{start}/>" if content is None else f"<{start}>{content}</{name}>"


def shown(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def text(x, y, content, cls="", anchor="start"):
    return tag("text", escape(content), x=float(x), y=float(y), cls=cls, text_anchor=anchor)


def line(x1, y1, x2, y2, cls):
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), cls=cls)


def svg(height, parts, label, width=WIDTH):
    return tag("svg", "".join(parts), viewBox=f"0 0 {width} {height}", role="img", aria_label=label)


def best_ratio(result):
    """The ratios to the best peer, or none."""
    return result["ratios"].get(result["best_peer"])


def ratio_floor(result):
    """The ratio in a floor's text, or none."""
    word = (result.get("floor") or "").split(" ×")
    return float(word[0]) if len(word) > 1 else None


def ticks(low, high):
    """Round ratios between two, for a logarithmic axis."""
    steps = [0.1, 0.2, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64]
    found = []
    for step in steps:
        # Labels need room: a fifth of a decade, and 1 is always there.
        if low <= step <= high and (not found or step / found[-1] > 1.3 or step == 1):
            found.append(step)
    return found


def overview(data, results):
    """The ratio to the best peer of everything: a dot, its range over the rounds, the floor as a mark."""
    rows = [result for result in results if best_ratio(result)]
    if not rows:
        return ""
    titles = {model["name"]: model["title"] for model in data["models"]}
    found = [best_ratio(row) for row in rows]
    low = min(0.8, *(ratio["min"] for ratio in found)) / 1.05
    high = max(2.2, *(ratio["max"] for ratio in found)) * 1.05
    left, right = 300, WIDTH - 230

    def place(ratio):
        return left + (right - left) * math.log(ratio / low) / math.log(high / low)

    groups = {}
    for row in rows:
        groups.setdefault(row["measure"], []).append(row)
    body, y = [], 26
    for name, members in groups.items():
        body.append(text(0, y + 16, measure(name).title, "head"))
        y += 28
        for row in members:
            ratio = best_ratio(row)
            ahead = "apus" if ratio["median"] >= 1 else "behind-dot"
            hint = f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f}) × {row['best_peer']}"
            marks = [line(place(ratio["min"]), y + 11, place(ratio["max"]), y + 11, f"range {ahead}")]
            bar = ratio_floor(row)
            if bar and low <= bar <= high:
                marks.append(line(place(bar), y + 3, place(bar), y + 19, "floor"))
            marks.append(tag("circle", cx=place(ratio["median"]), cy=float(y + 11), r=5.5, cls=f"dot {ahead}"))
            body.append(tag("g", tag("title", escape(hint)) + "".join(marks)))
            body.append(text(14, y + 15, titles[row["model"]], "soft"))
            body.append(text(right + 24, y + 15, f"{ratio['median']:.2f} ×", "head"))
            word = {"pass": "good", "MISS": "bad"}.get(verdict(row), "soft")
            body.append(text(right + 84, y + 15, row["best_peer"], "soft"))
            if word != "soft":
                body.append(text(WIDTH, y + 15, verdict(row), word, "end"))
            y += 22
        y += 8
    axis = []
    for step in ticks(low, high):
        axis.append(line(place(step), 20, place(step), y, "one" if step == 1 else "grid"))
        axis.append(text(place(step), 12, f"{step:g} ×", "soft", "middle"))
    return svg(y + 4, axis + body, "Ratios of Apus to the best peer")


def bars(result, colours):
    """One measure on one model: a bar an engine, with its range over the rounds."""
    named = measure(result["measure"])
    engines = result["engines"]
    width, left, right = 470, 112, 388
    most = max(figure["max"] for figure in engines.values())
    parts, y = [], 2
    for name, figure in engines.items():
        length = {key: (right - left) * figure[key] / most for key in ("median", "min", "max")}
        hint = f"{name}: {number(figure['median'])} ({number(figure['min'])}–{number(figure['max'])}) {named.unit}"
        marks = [
            tag("rect", x=left, y=y, width=max(length["median"], 1.0), height=16, rx=3, cls=colours[name]),
            line(left + length["min"], y + 8, left + length["max"], y + 8, "whisker"),
            *(line(left + length[key], y + 4, left + length[key], y + 12, "whisker") for key in ("min", "max")),
        ]
        parts.append(tag("g", tag("title", escape(hint)) + "".join(marks)))
        parts.append(text(0, y + 13, name, "head" if name == OURS else "soft"))
        parts.append(text(left + length["max"] + 8, y + 13, number(figure["median"]), "head" if name == OURS else ""))
        y += 23
    return svg(y, parts, f"{named.title}: {', '.join(engines)}", width)


def card(result, colours):
    """A measure's box."""
    named = measure(result["measure"])
    ratio, word = best_ratio(result), verdict(result)
    chip = ""
    if word != "–":
        label = f"{'reaches' if word == 'pass' else 'misses'} {result['floor']}"
        chip = tag("span", escape(label), cls=f"chip {'good' if word == 'pass' else 'bad'}")
    notes = [f"{named.unit}, less is better" if named.less_is_better else named.unit]
    if ratio:
        notes.append(
            f"{ratio['median']:.2f} × ({ratio['min']:.2f}–{ratio['max']:.2f}) the best peer, {result['best_peer']}"
        )
    if share := result.get("roof_share"):
        notes.append(f"{share['median']:.0%} of the machine's roof")
    head = tag("header", tag("h3", escape(named.title)) + chip)
    return tag(
        "section", head + bars(result, colours) + tag("p", escape(" · ".join(notes)), cls="soft small"), cls="card"
    )


def tiles(results):
    """The headline: each measure's mean ratio over the models."""
    found = []
    for title, mean, least, most, count in headline(results):
        files = f"{count} files, {least:.2f}–{most:.2f}" if count > 1 else "one file"
        inner = (
            tag("span", escape(title))
            + tag("b", f"{mean:.2f} ×")
            + tag("span", f"the best peer · {files}", cls="soft small")
        )
        found.append(tag("div", inner, cls="tile" if mean >= 1 else "tile behind"))
    return tag("div", "".join(found), cls="tiles")


def failures(data):
    """What could not be measured, with the last lines that it said."""
    found = []
    for failure in data["failures"]:
        where = " · ".join(failure[key] for key in ("model", "probe") if key in failure)
        title = tag("b", escape(failure["engine"])) + escape(f" {where} — {failure['kind']}")
        found.append(tag("li", title + tag("pre", escape(failure["reason"].strip()))))
    return tag("h2", "Not measured") + tag("ul", "".join(found)) if found else ""


def figures_table(data, results):
    """All figures."""
    engines = [engine["name"] for engine in data["engines"]]
    titles = {model["name"]: model["title"] for model in data["models"]}
    head = "".join(tag("th", escape(name)) for name in ["measure", *engines, "ratio", "of roof", "floor", ""])
    body = []
    for result in results:
        named = measure(result["measure"])
        cells = [escape(titles[result["model"]]) + tag("small", escape(f"{named.title}, {named.unit}"))]
        for figure in [*(result["engines"].get(engine) for engine in engines), best_ratio(result)]:
            cells.append(
                number(figure["median"]) + tag("small", f"{number(figure['min'])}–{number(figure['max'])}")
                if figure
                else "–"
            )
        share = result.get("roof_share")
        cells += [f"{share['median']:.0%}" if share else "–", escape(result.get("floor") or "–"), verdict(result)]
        body.append(tag("tr", "".join(tag("td", cell) for cell in cells)))
    return tag("div", tag("table", tag("thead", tag("tr", head)) + tag("tbody", "".join(body))), cls="wide")


def repeat(data):
    """What it takes to run it again."""
    commands = "\n".join(shlex.join(command) for command in data["commands"])
    engines = [
        f"{engine['name']} {engine['version']}\n  flags: {' | '.join(engine['flags']) or 'none'}\n  {engine['path']}"
        for engine in data["engines"]
    ]
    files = [f"{model['file']}: {model['origin']}\n  {model['sha256']}" for model in data["models"]]
    text_ = "\n\n".join([commands, *engines, "\n".join(files), " ".join(data["machine"].get("features", []))])
    return tag("details", tag("summary", "To repeat it: commands, versions, files") + tag("pre", escape(text_)))


def page(data, results):
    """The page."""
    colours = classes(data)
    commits = ", ".join(commit[:12] for commit in data["commit"].split(", "))
    keys = "".join(tag("span", tag("i", "", cls=colour) + escape(name)) for name, colour in colours.items())
    parts = [
        tag("h1", "Apus beside other engines"),
        tag("p", escape(f"{machine(data)} · {data['date']} · commit {commits}"), cls="soft"),
        tiles(results),
        tag("h2", "Times as fast as the best peer"),
        tag(
            "p", "A dot is the median of the rounds, its line their range, a dotted mark the promise.", cls="soft small"
        ),
        tag("div", overview(data, results), cls="card wide"),
    ]
    for model in data["models"]:
        rows = [result for result in results if result["model"] == model["name"]]
        if rows:
            size = tag("span", f" · {model['bytes'] / 1e6:.0f} MB", cls="soft small")
            parts.append(tag("h2", escape(model["title"]) + size))
            parts.append(tag("div", keys, cls="legend"))
            parts.append(tag("div", "".join(card(row, colours) for row in rows), cls="cards"))
    parts += [failures(data), tag("h2", "All figures"), tag("p", escape(NOTES), cls="soft small")]
    parts += [figures_table(data, results), repeat(data)]
    style = Path(__file__).with_name("page.css").read_text()
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += tag("title", "Apus beside other engines") + tag("style", style)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{tag("main", "".join(parts))}</body></html>\n'
