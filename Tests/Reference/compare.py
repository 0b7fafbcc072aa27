"""Compares an engine's logits with the float64 reference.

    python compare.py MODEL.gguf IDS.json LOGITS [--reference OTHER.gguf]

LOGITS is raw little-endian float32, [tokens, vocabulary], as `apus perplexity --ids IDS.json --logits-out` writes it.
Prints one JSON object: `mean_kl` and `max_kl` of a position, KL(reference || engine) in nats; `max_logit_error`;
`top1_agreement`; `worst_flip`, the largest reference gap between first and second where the first differ; `mean_nll`
of both.

The reference's log-probabilities are kept in the ignored folder .cache/reference (APUS_CACHE overrides), under a
hash of the model's bytes, the ids and the reference's own source. They are stored as float32: an error of 1e-6 in a
log-probability enters KL multiplied by the difference of the two distributions, once normalised again, hence far below
the smallest limit (5e-6). Logits are held to the reference up to the additive constant that softmax ignores.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

import architectures
import decoder
import numpy as np
import rope

HERE = Path(__file__).resolve().parent
POSITIONS_AT_ONCE = 32  # 32 x 49,152 float64 are 12 MB


def cache_folder():
    return Path(os.environ.get("APUS_CACHE", HERE.parents[1] / ".cache")) / "reference"


def file_hash(path):
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_key(model, ids, context):
    """A hash over everything that the reference's answer depends on."""
    digest = hashlib.sha256()
    for path in (decoder.__file__, architectures.__file__, rope.__file__, model):
        digest.update(file_hash(path).encode())
    digest.update(json.dumps([context, *(int(i) for i in ids)]).encode())
    return digest.hexdigest()[:32]


def reference_log_probs(model, ids, context=None):
    """Log-softmax of the reference, float32 (tokens, vocabulary), out of the cache if it is there."""
    path = cache_folder() / f"{cache_key(model, ids, context)}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        logits = architectures.load(model, context).forward(ids)
        values = np.empty(logits.shape, np.float32)
        for start in range(0, len(ids), POSITIONS_AT_ONCE):
            part = slice(start, start + POSITIONS_AT_ONCE)
            values[part] = decoder.log_softmax(logits[part])
        partial = path.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, values)
        partial.replace(path)
    return np.load(path, mmap_mode="r")


def compare(reference, logits, ids):
    """Both (tokens, vocabulary); reference log-probabilities, logits of the engine. Returns the figures as a dict."""
    if reference.shape != logits.shape:
        raise ValueError(f"logits have shape {logits.shape}, wanted {reference.shape}")
    kl, errors, agree, flip, nll = [], [], [], 0.0, np.zeros((2, 0))
    for start in range(0, len(ids), POSITIONS_AT_ONCE):
        part = slice(start, start + POSITIONS_AT_ONCE)
        p = decoder.log_softmax(np.asarray(reference[part], np.float64))
        z = np.asarray(logits[part], np.float64)
        if not np.isfinite(z).all():
            raise ValueError(f"logits of positions {start} to {start + len(z) - 1} are not all finite")
        q = decoder.log_softmax(z)
        kl.extend((np.exp(p) * (p - q)).sum(-1))
        # Softmax ignores a constant, and the reference is kept as log-probabilities: compare without the mean.
        errors.append(np.abs((p - p.mean(-1, keepdims=True)) - (z - z.mean(-1, keepdims=True))).max())
        same = p.argmax(-1) == z.argmax(-1)
        agree.extend(same)
        second, first = np.sort(np.partition(p, -2, axis=-1)[:, -2:]).T
        flip = max(flip, np.max((first - second)[~same], initial=0.0))
        following = np.asarray(ids[start + 1 : start + 1 + len(p)], int)
        rows = np.arange(len(following))
        nll = np.concatenate([nll, -np.stack([p[rows, following], q[rows, following]])], axis=1)
    return {
        "tokens": len(ids),
        "mean_kl": float(np.mean(kl)),
        "max_kl": float(np.max(kl)),
        "max_logit_error": float(np.max(errors)),
        "top1_agreement": float(np.mean(agree)),
        "worst_flip": float(flip),
        "reference_mean_nll": float(nll[0].mean()) if len(ids) > 1 else None,
        "mean_nll": float(nll[1].mean()) if len(ids) > 1 else None,
    }


def read_logits(path, tokens):
    """The engine's file as (tokens, vocabulary), mapped."""
    values = np.memmap(path, "<f4", "r")
    if values.size % tokens:
        raise ValueError(f"{path}: {values.size} floats are no multiple of {tokens} tokens")
    return values.reshape(tokens, -1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("ids", help="a JSON array of token ids")
    parser.add_argument("logits", help="raw float32, [tokens, vocabulary]")
    parser.add_argument("--context", type=int, help="the limit that the engine was created with")
    parser.add_argument("--reference", help="compute the reference from this file instead of MODEL")
    arguments = parser.parse_args()
    token_ids = json.loads(Path(arguments.ids).read_text())
    truth = reference_log_probs(arguments.reference or arguments.model, token_ids, arguments.context)
    print(json.dumps(compare(truth, read_logits(arguments.logits, len(token_ids)), token_ids)))
