"""Writes a copy of a GGUF file with every tensor dequantized to float32, metadata unchanged.

    python float_copy.py INPUT.gguf OUTPUT.gguf [F16|BF16]

With a type, matrices are rounded to that. An engine that runs the copy pays for the arithmetic of floats and its cache
alone, not for quantized activations.
"""

import os
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

# Written by GGUFWriter itself.
OWN = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture"}


def copy(source, target, kind=Type.F32):
    """Writes `target`; the file appears whole or not at all."""

    def kind_of(tensor):
        return kind if len(tensor.shape) > 1 else Type.F32

    reader = gguf.GGUFReader(source)
    partial = f"{target}.{os.getpid()}.partial"
    writer = gguf.GGUFWriter(partial, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key in OWN:
            continue
        value = 0 if key == "general.file_type" else field.contents()
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, value, field.types[0], element)
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        size = int(tensor.n_elements) * (4 if kind_of(tensor) == Type.F32 else 2)
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), size, raw_dtype=kind_of(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        writer.write_tensor_data(np.ascontiguousarray(quantize(values, kind_of(tensor))))
    writer.close()
    os.replace(partial, target)


if __name__ == "__main__":
    copy(sys.argv[1], sys.argv[2], *(Type[name] for name in sys.argv[3:]))
