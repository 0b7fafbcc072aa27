"""Says which kernels changed between two results of apus_microbench.

    python Benchmarks/microbench/baseline.py OLD.json NEW.json

The method: each case has several repetitions (--benchmark_repetitions, 5 by default). The 95 % confidence interval of
their mean time is mean ± t · s / √n (Student's t with n - 1 degrees of freedom). A change is flagged when the intervals
of the two runs do not overlap, which among cases without a change happens about once in 170. What it does not see: a
machine that as a whole was slower in one of the runs; so the median ratio of all cases is told too.
"""

import json
import math
import statistics
import sys
from pathlib import Path

# Student's t for a two-sided 95 % interval, by degrees of freedom; from 30 on it is nearly the normal one.
STUDENT = (
    [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]
    + [2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]
)  # fmt: skip


def load(path):
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        assert isinstance(data["benchmarks"], list) and isinstance(data["context"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        sys.exit(f"error: {path}: not the JSON of apus_microbench: {error!r}")
    return data


def samples(data):
    """Nanoseconds a kernel, of every repetition, by the case's name."""
    times = {}
    for run in data["benchmarks"]:
        if run.get("run_type") == "iteration" and not run.get("error_occurred") and "ns/kernel" in run:
            times.setdefault(run["name"], []).append(run["ns/kernel"])
    return times


def interval(values):
    """Mean and the half width of its 95 % confidence interval; None with fewer than two values."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None
    degrees = len(values) - 1
    factor = STUDENT[degrees - 1] if degrees <= len(STUDENT) else 1.96
    return mean, factor * statistics.stdev(values) / math.sqrt(len(values))


def compare(old, new):
    """The cases that both have, by name: times, intervals, their ratio, and "faster", "slower" or "" for the same."""
    before, after = samples(old), samples(new)
    changes = {}
    for name in after:
        if name not in before:
            continue
        (old_mean, old_half), (new_mean, new_half) = interval(before[name]), interval(after[name])
        verdict = ""
        if old_half is not None and new_half is not None:
            if new_mean + new_half < old_mean - old_half:
                verdict = "faster"
            elif new_mean - new_half > old_mean + old_half:
                verdict = "slower"
        changes[name] = {
            "old": old_mean, "old_half": old_half, "new": new_mean, "new_half": new_half,
            "ratio": new_mean / old_mean, "verdict": verdict,
        }  # fmt: skip
    return changes


def report(changes):
    """A table of the flagged changes, the largest first."""
    if not changes:
        return "baseline: no case in common"
    lines = []
    flagged = [(name, change) for name, change in changes.items() if change["verdict"]]
    for name, c in sorted(flagged, key=lambda item: -abs(math.log(item[1]["ratio"]))):
        lines.append(
            f"{c['verdict']}  {c['ratio']:6.3f} x the time  {name}: "
            f"{c['old']:.4g} ± {c['old_half']:.2g} ns -> {c['new']:.4g} ± {c['new_half']:.2g} ns"
        )
    unsure = sum(1 for c in changes.values() if c["old_half"] is None or c["new_half"] is None)
    median = statistics.median(c["ratio"] for c in changes.values())
    lines.append(
        f"baseline: {len(changes)} cases in both runs, {len(flagged)} changed (95 % confidence intervals apart); "
        f"median ratio of all {median:.3f}" + (f"; {unsure} had too few repetitions to judge" if unsure else "")
    )
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(report(compare(load(sys.argv[1]), load(sys.argv[2]))))
