"""Draws results of apus_microbench as a roofline: one HTML file with everything in it, readable in light and dark.

python Benchmarks/microbench/roofline.py RESULTS.json [-o roofline.html] [--baseline OLD.json]
"""

import argparse
import html
import math
import re
import statistics
from pathlib import Path

import baseline

WIDTH, HEIGHT = 1160, 640
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 16, 48
LEVELS = ["L1", "L2", "L3", "memory"]
COUNTERS = ["ns/kernel", "GMAC/s", "GB/s", "MAC/B", "%roof", "roof_GMAC/s", "roof_GB/s", "cycles", "instr"]
TEMPLATE = Path(__file__).with_name("roofline.template.html")


def cases(data):
    """One dictionary a case: the parts of its name, and the median of each counter over its repetitions."""
    runs = {}
    for run in data["benchmarks"]:
        if run.get("run_type") == "iteration" and not run.get("error_occurred") and "ns/kernel" in run:
            runs.setdefault(run["name"], []).append(run)
    result = []
    for name, repetitions in runs.items():
        parts = name.split("/")
        if len(parts) != 6:
            continue
        case = dict(zip(["op", "type", "isa", "m", "shape", "t"], parts, strict=True), name=name)
        for counter in COUNTERS:
            values = [run[counter] for run in repetitions if counter in run]
            if values:
                case[counter] = statistics.median(values)
        case["bound"] = repetitions[-1].get("label", "")
        result.append(case)
    return result


def roofs(context):
    """(unit, isa, threads): GMAC/s, and (level, threads): GB/s through huge pages, out of the file's context."""
    compute, read = {}, {}
    for key, value in context.items():
        if found := re.fullmatch(r"roof (\w+) (\S+) (t\d+)", key):
            compute[found.groups()] = float(value.split()[0])
        elif found := re.fullmatch(r"roof read (\w+) huge pages (t\d+)", key):
            read[found.groups()] = float(value.split()[0])
    return compute, read


class Plot:
    """Log-log axes: multiply-adds a byte to the right, GMAC/s up."""

    def __init__(self, points, compute):
        xs = [p["MAC/B"] for p in points] or [1]
        ys = [p["GMAC/s"] for p in points] + list(compute.values()) or [1]
        self.x0, self.x1 = 10 ** math.floor(math.log10(min(xs))), max(xs) * 1.6
        self.y0, self.y1 = 10 ** math.floor(math.log10(max(min(ys), max(ys) * 1e-6))), max(ys) * 1.6

    def x(self, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / self.x0) / math.log(self.x1 / self.x0)

    def y(self, value):
        value = max(value, self.y0)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(value / self.y0) / math.log(self.y1 / self.y0)

    def axes(self):
        lines = []
        for axis, low, high in (("x", self.x0, self.x1), ("y", self.y0, self.y1)):
            power = math.floor(math.log10(low))
            while 10**power <= high:
                label = f"{10.0**power:g}"
                if axis == "x":
                    at = self.x(10**power)
                    lines.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
                    lines.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
                else:
                    at = self.y(10**power)
                    lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
                    lines.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
                power += 1
        middle = (TOP + HEIGHT - BOTTOM) / 2
        lines.append(
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">multiply-adds a byte</text>'
        )
        lines.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">GMAC/s</text>')
        return lines

    def roof_lines(self, compute, read):
        lines = []
        # Labels from the top down, each at least a line below the one before, of the roofs of a number of threads.
        free = {}
        for (unit, isa, threads), rate in sorted(compute.items(), key=lambda item: -item[1]):
            at, label = self.y(rate), f"{unit} {isa} {rate:.3g}"
            free[threads] = label_at = max(at + 4, free.get(threads, 0) + 13)
            # From where the fastest level could feed it.
            fastest = max((gb for (_, t), gb in read.items() if t == threads), default=rate)
            begin = max(self.x(max(rate / fastest, self.x0)), LEFT)
            lines.append(
                f'<g class="roof" data-isa="{isa}" data-t="{threads}"><title>{label} GMAC/s, {threads}</title>'
                f'<line x1="{begin:.1f}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text x="{WIDTH - RIGHT + 4}" y="{label_at:.1f}">{label}</text></g>'
            )
        for (level, threads), rate in read.items():
            highest = max((r for (_, _, t), r in compute.items() if t == threads), default=self.y1)
            first, last = max(self.x0, self.y0 / rate), min(self.x1, highest / rate)
            if first >= last:
                continue
            x1, y1, x2, y2 = self.x(first), self.y(first * rate), self.x(last), self.y(last * rate)
            angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
            # Lines lie close together: a label each at another place along them.
            part = 0.06 + 0.2 * LEVELS.index(level) if level in LEVELS else 0.5
            at = (x1 + (x2 - x1) * part, y1 + (y2 - y1) * part - 4)
            lines.append(
                f'<g class="roof read" data-t="{threads}"><title>{level}: {rate:.1f} GB/s, {threads}</title>'
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
                f'<text transform="translate({at[0]:.1f} {at[1]:.1f}) rotate({angle:.1f})">'
                f"{level} {rate:.0f} GB/s</text></g>"
            )
        return lines


def describe(case, change):
    """The hover text."""
    lines = [
        case["name"],
        f"{case['ns/kernel'] / 1000:.4g} µs, {case['GMAC/s']:.4g} GMAC/s, {case['GB/s']:.4g} GB/s",
        f"{case['MAC/B']:.4g} multiply-adds a byte",
        f"{case['%roof']:.0f} % of its roof, which is {case['bound']}'s",
        f"(arithmetic {case.get('roof_GMAC/s', math.inf):.4g} GMAC/s, reads {case['roof_GB/s']:.4g} GB/s)",
    ]
    if "cycles" in case and "instr" in case:
        lines.append(f"{case['cycles']:.4g} cycles, {case['instr']:.4g} instructions")
    if change:
        lines.append(
            f"{change['ratio']:.3f} x the baseline's time{': ' + change['verdict'] if change['verdict'] else ''}"
        )
    return "\n".join(lines)


def choices(name, values):
    """A row of boxes that filter by one part of the name."""
    boxes = "".join(
        f'<label><input type="checkbox" name="{name}" value="{html.escape(v)}"{" checked" if on else ""}>'
        f"{html.escape(v)}</label>"
        for v, on in values
    )
    return f'<fieldset data-name="{name}"><legend>{name} <button type="button">all</button></legend>{boxes}</fieldset>'


def by_number(text):
    """Sorts m1, m2, m16 in that order."""
    return int(re.sub(r"\D", "", text) or 0), text


def page(data, changes=None):
    """The whole page."""
    points, (compute, read), context = cases(data), roofs(data["context"]), data["context"]
    changes = changes or {}
    plot = Plot(points, compute)
    ops = sorted({p["op"] for p in points})
    dots, rows = [], []
    for p in sorted(points, key=lambda p: p["%roof"]):
        change = changes.get(p["name"])
        attributes = " ".join(f'data-{k}="{html.escape(p[k])}"' for k in ("op", "type", "isa", "m", "t"))
        verdict = change["verdict"] if change else ""
        dots.append(
            f'<circle class="dot c{ops.index(p["op"]) % 9} {verdict}" cx="{plot.x(p["MAC/B"]):.1f}" '
            f'cy="{plot.y(p["GMAC/s"]):.1f}" r="4.5" {attributes}>'
            f"<title>{html.escape(describe(p, change))}</title></circle>"
        )
        ratio = f"{change['ratio']:.3f}" if change else ""
        events = f"<td>{p['cycles']:.4g}</td><td>{p['instr']:.4g}</td>" if "cycles" in p and "instr" in p else ""
        rows.append(
            f'<tr class="{verdict}" {attributes}><td>{html.escape(p["name"])}</td><td>{p["%roof"]:.1f}</td>'
            f"<td>{html.escape(p['bound'])}</td><td>{p['ns/kernel'] / 1000:.4g}</td><td>{p['GMAC/s']:.4g}</td>"
            f"<td>{p['GB/s']:.4g}</td><td>{p['MAC/B']:.4g}</td>{events}"
            + (f"<td>{ratio}</td>" if changes else "")
            + "</tr>"
        )
    threads = sorted({p["t"] for p in points}, key=by_number)
    isas = sorted({p["isa"] for p in points})
    filters = [
        choices("op", [(op, True) for op in ops]),
        choices("type", [(t, True) for t in sorted({p["type"] for p in points})]),
        choices("isa", [(isa, True) for isa in isas]),
        choices("m", [(m, True) for m in sorted({p["m"] for p in points}, key=by_number)]),
        choices("t", [(t, t == threads[-1]) for t in threads]),
    ]
    legend = "".join(
        f'<span><svg width="12" height="12"><circle class="dot c{i % 9}" cx="6" cy="6" r="5"/></svg>{op}</span>'
        for i, op in enumerate(ops)
    )
    has_events = any("cycles" in p for p in points)
    heads = ["case", "% of roof", "bound by", "µs", "GMAC/s", "GB/s", "MAC/B"]
    heads += ["cycles", "instructions"] * has_events + ["x baseline"] * bool(changes)
    processors = f"{context.get('num_cpus', '?')} processors at {context.get('mhz_per_cpu', '?')} MHz"
    counted = "counted" if has_events else f"not counted ({context.get('events', '')})"
    facts = [
        processors,
        context.get("date", ""),
        f"commit {context.get('commit', 'unknown')}",
        f"threads by {context.get('apus team', '?')}",
        f"cycles and instructions {counted}",
        *filter(None, [context.get("disturbance", "")]),
    ]
    table = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in sorted(context.items())
        if key.startswith(("roof", "barrier", "fork"))
    )
    flagged = baseline.report(changes) if changes else ""
    svg = (
        f'<svg id="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Roofline: a dot for each kernel">'
        + "\n".join(plot.axes() + plot.roof_lines(compute, read) + dots)
        + "</svg>"
    )
    values = {
        "facts": html.escape("; ".join(facts)),
        "svg": svg,
        "legend": legend,
        "filters": "".join(filters),
        "rows": "\n".join(rows),
        "heads": "".join(f'<th><button type="button">{head}</button></th>' for head in heads),
        "roofs": table,
        "baseline": f"<h2>Against the baseline</h2><pre>{html.escape(flagged)}</pre>" if changes else "",
        "count": str(len(points)),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found.group(1)], text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("roofline.html"))
    parser.add_argument("--baseline", type=Path)
    options = parser.parse_args()
    data = baseline.load(options.results)
    changes = baseline.compare(baseline.load(options.baseline), data) if options.baseline else None
    if changes is not None:
        print(baseline.report(changes))
    options.output.write_text(page(data, changes), encoding="utf-8")
    print(f"page: {options.output}")


if __name__ == "__main__":
    main()
