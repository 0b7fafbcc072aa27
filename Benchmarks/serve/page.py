"""serve.html: one page without anything outside it. A plot a figure, servers as lines, by the number of clients."""

import math
from html import escape
from itertools import pairwise
from pathlib import Path

from compare import page as compare
from compare.page import line, svg, tag, text
from compare.report import number

FIGURES = [
    ("tokens_per_second", "All tokens, of prompts and replies", "tokens/s", False),
    ("generated_per_second", "Tokens of replies", "tokens/s", False),
    ("first", "Time to the first token, 95th percentile", "s", True),
    ("own_cpu_microseconds_per_token", "CPU time beside the threads that compute, a token of a reply", "µs", True),
]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 470, 240, 56, 450, 14, 206


def value(row, figure):
    """A row's figure."""
    return row["first_token_seconds"]["95"] if figure == "first" else row[figure]


def summary(rows, server, clients, figure):
    """Median, least and greatest over the rounds; nothing where there is none."""
    found = sorted(
        value(row, figure)
        for row in rows
        if row["server"] == server and row["clients"] == clients and "error" not in row
    )
    return {"median": found[len(found) // 2], "min": found[0], "max": found[-1]} if found else None


def plot(data, figure, title, unit, colours):
    """A figure by the number of clients."""
    counts = data["clients"]
    lines = {
        name: [(count, found) for count in counts if (found := summary(data["rows"], name, count, figure))]
        for name in colours
    }
    most = max((found["max"] for points in lines.values() for _, found in points), default=0) or 1

    def x(count):
        low, high = math.log(counts[0]), math.log(max(counts[-1], counts[0] + 1))
        return LEFT + 20 + (RIGHT - LEFT - 40) * (math.log(count) - low) / (high - low)

    def y(amount):
        return BOTTOM - (BOTTOM - TOP) * amount / most

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(line(LEFT, y(most * share), RIGHT, y(most * share), "grid"))
        parts.append(text(LEFT - 8, y(most * share) + 4, number(most * share) if share else "0", "soft", "end"))
    for count in counts:
        parts.append(text(x(count), HEIGHT - 14, str(count), "soft", "middle"))
    for name, points in lines.items():
        colour = colours[name]
        for (count, found), (other, following) in pairwise(points):
            parts.append(line(x(count), y(found["median"]), x(other), y(following["median"]), f"range {colour}"))
        for count, found in points:
            span = f"{number(found['median'])} ({number(found['min'])}–{number(found['max'])}) {unit}"
            marks = line(x(count), y(found["min"]), x(count), y(found["max"]), "whisker")
            marks += tag("circle", cx=float(x(count)), cy=float(y(found["median"])), r=5, cls=f"dot {colour}")
            parts.append(tag("g", tag("title", escape(f"{name}, {count} clients: {span}")) + marks))
    return svg(HEIGHT, parts, f"{title}: {', '.join(colours)}", WIDTH)


def ratios(data, figure, less_is_better):
    """Apus to the other server, by the number of clients."""
    ours, *others = data["servers"]
    for other in others:
        for count in data["clients"]:
            pair = [summary(data["rows"], name, count, figure) for name in (ours, other)]
            if all(pair) and pair[0]["median"] and pair[1]["median"]:
                ratio = pair[0]["median"] / pair[1]["median"]
                yield other, count, 1 / ratio if less_is_better else ratio


def card(data, figure, title, unit, less_is_better, colours):
    """A figure's box."""
    head = tag("header", tag("h3", escape(title)))
    note = f"{unit}, by clients" + (", less is better" if less_is_better else "")
    words = [f"{count}: {ratio:.2f} ×" for _, count, ratio in ratios(data, figure, less_is_better)]
    if words:
        note += f" · times as good as {data['servers'][1]}: " + ", ".join(words)
    body = head + plot(data, figure, title, unit, colours) + tag("p", escape(note), cls="soft small")
    return tag("section", body, cls="card")


def table(data):
    """All rows."""
    names = ["server", "clients", "all tokens/s", "of replies", "first token p50", "p95", "own CPU, µs a token"]
    body = []
    for row in data["rows"]:
        cells = [escape(row["server"]), str(row["clients"])]
        if "error" in row:
            cells.append(tag("small", escape(row["error"])))
        else:
            first = row["first_token_seconds"]
            figures = [row["tokens_per_second"], row["generated_per_second"], first["50"], first["95"]]
            cells += [number(figure) for figure in [*figures, row["own_cpu_microseconds_per_token"]]]
        body.append(tag("tr", "".join(tag("td", cell) for cell in cells)))
    head = "".join(tag("th", escape(name)) for name in names)
    return tag("div", tag("table", tag("thead", tag("tr", head)) + tag("tbody", "".join(body))), cls="wide")


def page(data):
    """The page."""
    colours = dict(zip(data["servers"], ("apus", "peer1"), strict=False))
    keys = "".join(tag("span", tag("i", "", cls=colour) + escape(name)) for name, colour in colours.items())
    cards = "".join(card(data, *figure, colours) for figure in FIGURES)
    about = (
        f"{data['requests']} requests a round, prompts of 64 to 1,500 tokens, {data['rounds']} rounds, servers in turn"
    )
    parts = [
        tag("h1", "Apus under load"),
        tag(
            "p",
            escape(f"{compare.machine(data)} · {data['date']} · commit {data['commit'][:12]} · {data['model']}"),
            cls="soft",
        ),
        tag("p", escape(about), cls="soft small"),
        tag("div", keys, cls="legend"),
        tag("div", cards, cls="cards"),
        tag("h2", "All rounds"),
        table(data),
        tag("p", tag("code", escape(data["command"])), cls="soft"),
    ]
    style = Path(compare.__file__).with_name("page.css").read_text() + "svg .peer1 { stroke: var(--peer1); }"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += tag("title", "Apus under load") + tag("style", style)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{tag("main", "".join(parts))}</body></html>\n'
