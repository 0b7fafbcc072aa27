"""From runs to results: medians, ratios round by round, floors. Everything here is computed out of the JSON's data."""

import statistics

from .engines import row_values
from .floors import floor
from .probes import PROBES, measure

OURS = "apus"


def summary(values):
    """Median, least and greatest."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": values}


def roof_share(row):
    """The share of the roof in a row of `apus bench`: of arithmetic for prefill, of memory reads for decoding, of the
    nearer one for what is between (a few tokens or sequences at once)."""
    keys = ["read_share", "compute_share"]
    if "pl" not in row and (row["n_prompt"] > 64 or row["n_gen"]):
        keys = keys[1:] if row["n_prompt"] else keys[:1]
    return max((row[key] for key in keys if row.get(key)), default=None)


def shares(runs, name):
    """Apus's shares of the roof for a measure, of the rounds that tell them."""
    found = [
        roof_share(row)
        for run in runs
        for row in run.get("rows", [])
        if name in row_values([row], PROBES[run["probe"]])
    ]
    return [share for share in found if share]


def result(name, model, runs, engines):
    """One measure on one model."""
    by_engine = {}
    for run in runs:
        by_engine.setdefault(run["engine"], {})[run["round"]] = run["values"][name]
    named = measure(name)
    ours = by_engine.get(OURS, {})
    ratios = {}
    for engine, theirs in by_engine.items():
        rounds = sorted(ours.keys() & theirs.keys())
        if engine != OURS and rounds:
            values = [ours[number] / theirs[number] for number in rounds]
            ratios[engine] = summary([1 / value for value in values] if named.less_is_better else values)
    best = min(ratios, key=lambda engine: ratios[engine]["median"], default=None)
    found = {
        "measure": name,
        "model": model["name"],
        "engines": {engine: summary(by_engine[engine].values()) for engine in engines if engine in by_engine},
        "ratios": ratios,
        "best_peer": best,
    }
    share = shares([run for run in runs if run["engine"] == OURS], name)
    if share:
        found["roof_share"] = summary(share)
    if ours and (bar := floor(name, model)):
        ratio = ratios[best]["median"] if best else None
        share = statistics.median(share) if share else None
        found["floor"] = bar.text()
        found["passed"] = bar.passed(found["engines"][OURS]["median"], ratio, share)
    return found


def results(data):
    """All results of a comparison's data, model by model and in the probes' order."""
    engines = [engine["name"] for engine in data["engines"]]
    found = []
    for model in data["models"]:
        for probe in PROBES.values():
            runs = [
                run
                for run in data["runs"]
                if run["model"] == model["name"] and run["probe"] == probe.name and run["round"] > 0
            ]
            if runs:
                found += [result(name, model, runs, engines) for name in probe.measures()]
    return found


def merged(parts):
    """Several comparisons as one, for a matrix measured in pieces: the first one's machine, all runs and commits."""
    whole = dict(parts[0])
    whole["commit"] = ", ".join(dict.fromkeys(part["commit"] for part in parts))
    for key in ("engines", "models"):
        whole[key] = list({item["name"]: item for part in parts for item in part[key]}.values())
    whole["failures"] = [failure for part in parts for failure in part["failures"]]
    whole["commands"] = [command for part in parts for command in part["commands"]]
    # Rounds of a model and probe that came in pieces are numbered on, so that none is taken for another.
    whole["runs"] = []
    last = {}
    for part in parts:
        here = {}
        for run in part["runs"]:
            key = run["model"], run["probe"]
            number = run["round"] + last.get(key, 0) if run["round"] else 0
            here[key] = max(here.get(key, 0), number)
            whole["runs"].append({**run, "round": number})
        last |= {key: max(number, last.get(key, 0)) for key, number in here.items()}
    return whole
