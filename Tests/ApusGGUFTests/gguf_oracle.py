"""The independent side of the GGUF tests: the Python package `gguf` writes files and reads ours.

    gguf_oracle.py make FOLDER   writes files; beside NAME.gguf stands NAME.txt with what was put in
    gguf_oracle.py dump FILE     prints what the package reads from a file

Both texts have one line per value, so that a test compares lines:
    kv KEY TYPE VALUE             integers in decimal, floats as their bits, strings as the hex of their bytes
    tensor NAME TYPE SHAPE FNV    the shape in ggml's order, the FNV-1a hash of the data
"""

import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFEndian, GGUFReader, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.constants import GGUFValueType as V

FLOAT_BITS = {V.FLOAT32: ("<f", "<I"), V.FLOAT64: ("<d", "<Q")}


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def shown(kind: V, value) -> str:
    if kind == V.STRING:
        return (value.encode() if isinstance(value, str) else bytes(value)).hex()
    if kind in FLOAT_BITS:
        write, read = FLOAT_BITS[kind]
        return str(struct.unpack(read, struct.pack(write, value))[0])
    return str(int(value))


def kv_line(key: str, kind: V, value, element: V | None = None) -> str:
    if kind != V.ARRAY:
        return f"kv {key} {kind.name.lower()} {shown(kind, value)}"
    return f"kv {key} array:{element.name.lower()} {','.join(shown(element, one) for one in value)}"


def tensor_line(name: str, kind: GGMLQuantizationType, shape, data: bytes) -> str:
    return f"tensor {name} {kind.name} {'x'.join(str(int(n)) for n in shape)} {fnv(data)}"


SCALARS = [
    ("u8", V.UINT8, 255),
    ("i8", V.INT8, -128),
    ("u16", V.UINT16, 65535),
    ("i16", V.INT16, -32768),
    ("u32", V.UINT32, 2**32 - 1),
    ("i32", V.INT32, -(2**31)),
    ("f32", V.FLOAT32, 1e-5),
    ("yes", V.BOOL, True),
    ("no", V.BOOL, False),
    ("text", V.STRING, 'Grüße, 世界 🦙\n"quoted"'),
    ("empty", V.STRING, ""),
    ("u64", V.UINT64, 2**64 - 1),
    ("i64", V.INT64, -(2**63)),
    ("f64", V.FLOAT64, 0.1),
]
ARRAYS = [
    (V.UINT8, [0, 1, 255]),
    (V.INT8, [-128, 0, 127]),
    (V.UINT16, [0, 65535]),
    (V.INT16, [-32768, 32767]),
    (V.UINT32, [0, 2**32 - 1]),
    (V.INT32, [-(2**31), 2**31 - 1]),
    (V.FLOAT32, [0.5, -1e30, 3.0]),
    (V.BOOL, [True, False, True]),
    (V.STRING, ["", "a", "Ġthe", "🦙" * 40]),
    (V.UINT64, [0, 2**64 - 1]),
    (V.INT64, [-(2**63), 2**63 - 1]),
    (V.FLOAT64, [0.1, -2.5]),
]


def add_everything(writer: GGUFWriter) -> list[str]:
    lines = []
    for name, kind, value in SCALARS:
        writer.add_key_value(f"test.{name}", value, kind)
        lines.append(kv_line(f"test.{name}", kind, value))
    for element, values in ARRAYS:
        key = f"test.array.{element.name.lower()}"
        writer.add_key_value(key, values, V.ARRAY, sub_type=element)
        lines.append(kv_line(key, V.ARRAY, values, element))
    # Half a character, as vocabularies have it.
    values = [b"\xf0\x9f", b"\xff", b"ok"]
    writer.add_key_value("test.array.bytes", values, V.ARRAY, sub_type=V.STRING)
    lines.append(kv_line("test.array.bytes", V.ARRAY, values, V.STRING))
    return lines


def add_tensors(writer: GGUFWriter) -> list[str]:
    """A tensor of every type that the package knows, and of every number of dimensions."""
    random = np.random.default_rng(1)
    lines = []
    for kind, (values, size) in GGML_QUANT_SIZES.items():
        rows, blocks = 3, 2
        data = random.integers(0, 256, (rows, blocks * size), dtype=np.uint8)
        writer.add_tensor(f"t.{kind.name}", data, raw_dtype=kind)
        lines.append(tensor_line(f"t.{kind.name}", kind, (blocks * values, rows), data.tobytes()))
    for shape in [(5,), (3, 7), (2, 3, 4), (2, 1, 3, 2)]:
        data = random.standard_normal(shape).astype(np.float32)
        writer.add_tensor(f"dims.{len(shape)}", data)
        lines.append(tensor_line(f"dims.{len(shape)}", GGMLQuantizationType.F32, shape[::-1], data.tobytes()))
    return lines


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def arch(name: str = "test") -> str:
        return kv_line("general.architecture", V.STRING, name)

    path = folder / "everything.gguf"
    writer = GGUFWriter(path, "test")
    lines = [arch(), *add_everything(writer), *add_tensors(writer)]
    finish(writer)
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")

    # Version 2 differs from 3 in nothing but the number (3 added big-endian).
    data = bytearray(path.read_bytes())
    for version in (1, 2, 4):
        struct.pack_into("<I", data, 4, version)
        (folder / f"version{version}.gguf").write_bytes(data)
    (folder / "version2.txt").write_text("\n".join(lines) + "\n")

    for alignment in (8, 64, 4096):
        path = folder / f"align{alignment}.gguf"
        writer = GGUFWriter(path, "test")
        writer.add_custom_alignment(alignment)
        lines = [arch(), kv_line("general.alignment", V.UINT32, alignment), *add_tensors(writer)]
        finish(writer)
        path.with_suffix(".txt").write_text("\n".join(lines) + "\n")

    writer = GGUFWriter(folder / "bigendian.gguf", "test", endianess=GGUFEndian.BIG)
    add_everything(writer)
    finish(writer)

    writer = GGUFWriter(folder / "nested.gguf", "test")
    writer.add_key_value("test.nested", [[1, 2], [3, 4]], V.ARRAY)
    finish(writer)

    # The writer names the parts itself: split-00001-of-0000N.gguf.
    writer = GGUFWriter(folder / "split.gguf", "test", split_max_tensors=9)
    lines = [arch(), *add_everything(writer), *add_tensors(writer)]
    finish(writer)
    (folder / "split.txt").write_text("\n".join(lines) + "\n")


def dump(path: str) -> None:
    reader = GGUFReader(path)
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        kind = field.types[0]
        parts = [field.parts[index] for index in field.data]
        element = field.types[-1] if len(field.types) > 1 else None
        values = [part.tobytes() if (element or kind) == V.STRING else part[0] for part in parts]
        print(kv_line(key, kind, values if kind == V.ARRAY else values[0], element))
    for tensor in reader.tensors:
        print(tensor_line(tensor.name, tensor.tensor_type, tensor.shape, tensor.data.tobytes()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder]:
            make(Path(folder))
        case ["dump", path]:
            dump(path)
        case _:
            sys.exit(__doc__)
