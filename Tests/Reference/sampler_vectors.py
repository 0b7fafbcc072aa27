"""The samplers in numpy, float64, full sorts: what the engine's samplers are held to. Prints JSON to standard output.

    cases          one sampler applied to some logits: what it keeps, with the logits that it leaves
    chains         many steps of a whole chain with its generator: the tokens drawn
    distributions  a chain, logits, and the probability with which it draws each token

The order of a chain, its names and its defaults are llama.cpp's, and so are the formulas. A case in which a decision
hangs on the last digits is drawn again, since single precision may then rightly decide otherwise.
"""

import json
import math
import sys

import numpy as np

MASK = (1 << 64) - 1
DEFAULTS = {
    "temperature": 0.8,
    "dynatemp_range": 0.0,
    "dynatemp_exponent": 1.0,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.05,
    "typical_p": 1.0,
    "top_n_sigma": -1.0,
    "xtc_probability": 0.0,
    "xtc_threshold": 0.1,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repeat_last_n": 64,
    "dry_multiplier": 0.0,
    "dry_base": 1.75,
    "dry_allowed_length": 2,
    "dry_penalty_last_n": 64,
    "dry_breakers": [],
    "mirostat": 0,
    "mirostat_tau": 5.0,
    "mirostat_eta": 0.1,
    "logit_bias": {},
}
ORDER = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]


class Close(Exception):
    """A decision hangs on the last digits."""


def decide(distance):
    """Refuses a distance from a threshold that rounding could turn round; exact ties are decisions."""
    if 0 < abs(distance) < 1e-5:
        raise Close


class Xoshiro:
    """xoshiro256** with a state from SplitMix64, as published."""

    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.s.append(z ^ (z >> 31))

    def unit(self):
        s = self.s
        x = (s[1] * 5) & MASK
        result = (((x << 7) | (x >> 57)) & MASK) * 9 & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & MASK
        return (result >> 11) * 2.0**-53


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def descending(ids, logits):
    """The places of candidates by falling logit, then rising id."""
    return np.lexsort((ids, -logits))


def entropy(p):
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


class Chain:
    """Candidates are a pair of arrays (ids, logits), in an order that only top_k changes."""

    def __init__(self, options):
        self.o = DEFAULTS | options
        self.history = []
        self.mu = 2 * self.o["mirostat_tau"]
        self.generator = Xoshiro(self.o.get("seed", 0))

    def penalties(self, ids, logits):
        n = self.o["repeat_last_n"]
        recent = self.history if n < 0 else self.history[max(len(self.history) - n, 0) :]
        logits = logits.copy()
        for i, token in enumerate(ids):
            count = recent.count(int(token))
            if count:
                r = self.o["repeat_penalty"]
                logits[i] = logits[i] * r if logits[i] <= 0 else logits[i] / r
                logits[i] -= count * self.o["frequency_penalty"] + self.o["presence_penalty"]
        return ids, logits

    def dry(self, ids, logits):
        n, allowed = self.o["dry_penalty_last_n"], self.o["dry_allowed_length"]
        recent = self.history if n < 0 else self.history[max(len(self.history) - n, 0) :]
        if self.o["dry_multiplier"] == 0 or n == 0 or len(recent) <= allowed:
            return ids, logits
        limit = len(recent)
        for place in reversed(range(len(recent))):
            fitting = [b for b in self.o["dry_breakers"] if recent[place : place + len(b)] == b]
            if fitting:
                limit = len(recent) - place - max(map(len, fitting))
                break
        if limit < allowed:
            return ids, logits
        longest = {}
        for end in range(1, len(recent)):
            # How many tokens before `end` are the last ones of the whole.
            length = 0
            while length < end and recent[end - 1 - length] == recent[-1 - length]:
                length += 1
            length = min(length, limit)
            if length >= allowed and [recent[end]] not in self.o["dry_breakers"]:
                longest[recent[end]] = max(longest.get(recent[end], 0), length)
        logits = logits.copy()
        for i, token in enumerate(ids):
            if int(token) in longest:
                logits[i] -= self.o["dry_multiplier"] * self.o["dry_base"] ** (longest[int(token)] - allowed)
        return ids, logits

    def top_n_sigma(self, ids, logits):
        if self.o["top_n_sigma"] <= 0 or len(ids) <= 1:
            return ids, logits
        distance = logits - (logits.max() - self.o["top_n_sigma"] * logits[logits > -np.inf].std())
        decide(np.abs(distance).min())
        return ids[distance >= 0], logits[distance >= 0]

    def top_k(self, ids, logits):
        if self.o["top_k"] <= 0 or self.o["top_k"] >= len(ids):
            return ids, logits
        order = descending(ids, logits)[: self.o["top_k"]]
        return ids[order], logits[order]

    def typ_p(self, ids, logits):
        if self.o["typical_p"] >= 1:
            return ids, logits
        p = softmax(logits)
        with np.errstate(divide="ignore"):
            score = np.abs(-np.log(p) - entropy(p))
        # Rounded, so that equal logits stay equal.
        order = np.lexsort((ids, np.round(score, 12)))
        sums = np.cumsum(p[order])
        over = sums - self.o["typical_p"]
        decide(np.abs(over).min() if np.abs(over).min() > 1e-12 else 0)
        kept = int(np.argmax(over > 1e-12)) + 1 if (over > 1e-12).any() else len(ids)
        if kept < len(ids):
            decide(score[order[kept]] - score[order[kept - 1]])
        places = np.sort(order[:kept])
        return ids[places], logits[places]

    def top_p(self, ids, logits):
        if self.o["top_p"] >= 1:
            return ids, logits
        order = descending(ids, logits)
        sums = np.cumsum(softmax(logits)[order]) - self.o["top_p"]
        decide(np.abs(sums).min())
        kept = int(np.argmax(sums >= 0)) + 1 if (sums >= 0).any() else len(ids)
        places = np.sort(order[:kept])
        return ids[places], logits[places]

    def min_p(self, ids, logits):
        if self.o["min_p"] <= 0:
            return ids, logits
        distance = logits - logits.max() - math.log(self.o["min_p"])
        decide(np.abs(distance).min())
        return ids[distance >= 0], logits[distance >= 0]

    def xtc(self, ids, logits, always=False):
        probability, threshold = self.o["xtc_probability"], self.o["xtc_threshold"]
        if probability <= 0 or threshold > 0.5 or len(ids) < 2:
            return ids, logits
        if not always and self.generator.unit() >= probability:
            return ids, logits
        p = softmax(logits)
        decide(np.abs(p - threshold).min() if threshold > 0 else 0)
        order = descending(ids, logits)
        top = int(((p >= threshold) & (p > 0)).sum())
        places = np.sort(order[max(top - 1, 0) :])
        return ids[places], logits[places]

    def temperature(self, ids, logits):
        t = self.o["temperature"]
        if self.o["dynatemp_range"] > 0 and self.o["mirostat"] == 0:
            if len(ids) <= 1:
                return ids, logits
            low, high = max(0.0, t - self.o["dynatemp_range"]), t + self.o["dynatemp_range"]
            share = entropy(softmax(logits)) / math.log(len(ids))
            t = low + (high - low) * share ** self.o["dynatemp_exponent"]
        if t <= 0:
            best = descending(ids, logits)[:1]
            return ids[best], logits[best]
        return ids, logits / t

    def logit_bias(self, ids, logits):
        bias = {int(k): -math.inf if v is None else v for k, v in self.o["logit_bias"].items()}
        return ids, logits + np.array([bias.get(int(token), 0.0) for token in ids])

    def limit_surprise(self, ids, logits):
        with np.errstate(divide="ignore"):
            distance = -np.log2(softmax(logits)) - self.mu
        decide(np.abs(distance).min())
        kept = distance <= 0
        kept[descending(ids, logits)[0]] = True
        return ids[kept], logits[kept]

    def draw(self, logits):
        candidates = self.logit_bias(np.arange(len(logits)), logits)
        if self.o["mirostat"] == 2:
            candidates = self.limit_surprise(*self.temperature(*candidates))
        else:
            for name in self.o.get("samplers", ORDER):
                candidates = getattr(self, name)(*candidates)
        ids, logits = candidates
        p = softmax(logits)
        sums = np.cumsum(p)
        target = self.generator.unit()
        decide(np.abs(sums - target).min())
        place = int(np.argmax(sums > target))
        self.mu -= self.o["mirostat_eta"] * (-math.log2(p[place]) - self.o["mirostat_tau"])
        self.history.append(int(ids[place]))
        return int(ids[place])


def numbers(values):
    """A list for JSON, which has no infinity: null. In the fewest digits that single precision needs."""
    return [None if math.isinf(v) else float(str(np.float32(v))) for v in values]


def random_logits(rng, size, spread, banned=0.0):
    logits = rng.normal(0, spread, size).astype(np.float32).astype(np.float64)
    logits[rng.random(size) < banned] = -math.inf
    if not np.isfinite(logits).any():
        logits[0] = 1.0
    return logits


def case(rng, name, options, size=100, spread=3.0, banned=0.0, logits=None, history=()):
    """One sampler on one set of logits."""
    # Single precision is what the engine's options have.
    options = {k: float(np.float32(v)) if isinstance(v, float) else v for k, v in options.items()}
    for _ in range(100):
        values = random_logits(rng, size, spread, banned) if logits is None else np.array(logits, np.float64)
        chain = Chain(options)
        chain.history = list(history)
        apply = getattr(chain, name)
        try:
            found = apply(np.arange(len(values)), values, **({"always": True} if name == "xtc" else {}))
        except Close:
            continue
        order = descending(*found)
        return {
            "sampler": name,
            "options": options,
            "logits": numbers(values),
            "history": list(history),
            "ids": [int(i) for i in found[0][order]],
            "left": numbers(found[1][order]),
        }
    raise SystemExit(f"no clear case of {name} {options}")


def cases():
    rng = np.random.default_rng(20261124)
    sizes = [(1, 3.0, 0.0), (2, 3.0, 0.0), (9, 1.0, 0.3), (100, 0.3, 0.0), (1000, 3.0, 0.2), (3000, 8.0, 0.0)]
    for size, spread, banned in sizes:
        for p in [0.0, 0.1, 0.5, 0.9, 0.99]:
            yield case(rng, "typ_p", {"typical_p": p}, size, spread, banned)
        for n in [0.1, 1.0, 2.5, 6.0]:
            yield case(rng, "top_n_sigma", {"top_n_sigma": n}, size, spread, banned)
        for threshold in [0.0, 0.003, 0.03, 0.1, 0.5]:
            options = {"xtc_probability": 0.5, "xtc_threshold": threshold}
            yield case(rng, "xtc", options, size, spread, banned)
        for t, span, exponent in [(0.8, 0.5, 1.0), (1.0, 1.0, 2.0), (0.5, 2.0, 0.3), (1.5, 0.25, 0.0)]:
            options = {"temperature": t, "dynatemp_range": span, "dynatemp_exponent": exponent}
            yield case(rng, "temperature", options, size, spread, banned)
        for up, down in [(2.5, -1.25), (0.5, -40.0), (100.0, 0.0), (-0.75, 3.0)]:
            biases = [(0, up), (size - 1, down), (size + 5, 1.0), (5, None if size > 5 else 0.5)]
            yield case(rng, "logit_bias", {"logit_bias": {str(i): v for i, v in biases}}, size, spread, banned)
    # Probabilities .4 .2 .2 .2, equal ones (the sum must exceed p), a certain token.
    log = [float(np.float32(math.log(p))) for p in [0.4, 0.2, 0.2, 0.2]]
    for values in [log, [1.0] * 4, [50.0, 0.0, 0.0]]:
        for p in [0.25, 0.5, 0.75]:
            yield case(rng, "typ_p", {"typical_p": p}, logits=values)
        yield case(rng, "top_n_sigma", {"top_n_sigma": 1.5}, logits=values)
        yield case(rng, "temperature", {"temperature": 0.5, "dynatemp_range": 0.5}, logits=[v * 20 for v in values])
    for threshold in [0.15, 0.3]:
        yield case(rng, "xtc", {"xtc_probability": 1.0, "xtc_threshold": threshold}, logits=log)
    breakers = [[], [[2]], [[2], [0, 1], [0, 1, 1], [1, 0, 1]], [[0, 2, 1]]]
    for length in [0, 1, 2, 3, 10, 40, 150]:
        for letters in [2, 3, 6]:
            history = [int(x) for x in rng.integers(0, letters, length)]
            for allowed, last, base in [(2, 64, 1.75), (0, -1, 1.1), (1, 20, 2.0), (5, 100, 1.0), (2, 0, 2.0)]:
                options = {
                    "dry_multiplier": 0.8,
                    "dry_base": base,
                    "dry_allowed_length": allowed,
                    "dry_penalty_last_n": last,
                    "dry_breakers": breakers[int(rng.integers(len(breakers)))],
                }
                yield case(rng, "dry", options, size=8, history=history)


def chains():
    everything = {
        "repeat_penalty": 1.1,
        "dry_multiplier": 0.8,
        "dry_breakers": [[3], [1, 2]],
        "top_n_sigma": 2.5,
        "typical_p": 0.95,
        "xtc_probability": 0.5,
        "xtc_threshold": 0.08,
        "dynatemp_range": 0.4,
        "logit_bias": {"1": 1.5, "2": None, "7": -2.0},
    }
    wide = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
    described = [
        ({}, 300, 3.0, 60),
        (everything, 300, 2.0, 200),
        (everything | {"samplers": ORDER[::-1]}, 30, 2.0, 200),
        (everything | {"samplers": ["temperature", "typ_p", "dry", "xtc", "top_k", "xtc"]}, 100, 2.0, 100),
        (wide | {"typical_p": 0.7}, 500, 3.0, 60),
        ({"mirostat": 2}, 500, 2.0, 150),
        ({"mirostat": 2, "mirostat_tau": 2.0, "mirostat_eta": 0.6, "temperature": 1.3} | everything, 400, 3.0, 150),
        ({"mirostat": 2, "temperature": 0.0}, 50, 3.0, 10),
    ]
    rng = np.random.default_rng(4)
    for seed, (options, size, spread, steps) in enumerate(described):
        options = {k: float(np.float32(v)) if isinstance(v, float) else v for k, v in options.items()}
        # The logits of a step are a window of these: a small file for many steps.
        pool = random_logits(rng, size + steps, spread)
        for attempt in range(100):
            chain = Chain(options | {"seed": 1000 * attempt + seed})
            try:
                tokens = [chain.draw(pool[step : step + size]) for step in range(steps)]
            except Close:
                continue
            entry = {"options": chain.o | {"logit_bias": options.get("logit_bias", {})}, "pool": numbers(pool)}
            yield entry | {"size": size, "tokens": tokens, "mu": chain.mu}
            break
        else:
            raise SystemExit(f"no clear chain of {options}")


def distributions():
    rng = np.random.default_rng(8)
    off = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "temperature": 1.0}
    for options in [
        {"typical_p": 0.8},
        {"top_n_sigma": 1.5},
        {"xtc_probability": 0.3, "xtc_threshold": 0.1},
        {"dry_multiplier": 0.7, "dry_allowed_length": 1},
        {"temperature": 0.9, "dynatemp_range": 0.6, "dynatemp_exponent": 1.5},
        {"logit_bias": {"0": 1.0, "3": None, "8": -0.5}},
        # A rate of 0 leaves the limit where it is: at 4 bits.
        {"mirostat": 2, "mirostat_tau": 2.0, "mirostat_eta": 0.0},
        {"typical_p": 0.9, "xtc_probability": 0.5, "temperature": 1.4, "samplers": ["temperature", "xtc", "typ_p"]},
    ]:
        options = off | options
        logits = random_logits(rng, 24, 1.2)
        history = [1, 2, 3, 4, 9, 1, 2, 3, 5, 2, 1, 2]
        p = np.zeros(24)
        probability = options.get("xtc_probability", 0.0)
        for share, drops in [(probability, True), (1 - probability, False)]:
            chain = Chain(options)
            chain.history = history
            candidates = chain.logit_bias(np.arange(24), logits)
            if options.get("mirostat"):
                candidates = chain.limit_surprise(*candidates)
            else:
                for name in chain.o.get("samplers", ORDER):
                    if name != "xtc":
                        candidates = getattr(chain, name)(*candidates)
                    elif drops:
                        candidates = chain.xtc(*candidates, always=True)
            p[candidates[0]] += share * softmax(candidates[1])
        yield {"options": options, "logits": numbers(logits), "history": history, "probabilities": list(p)}


if __name__ == "__main__":
    found = {"cases": list(cases()), "chains": list(chains()), "distributions": list(distributions())}
    json.dump(found, sys.stdout)
