"""TensorFlow Lite: the constants of a model with their names, shapes, types and bytes; what it computes is not counted.

The schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. The file is mapped, so its numbers are not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from mmap import ACCESS_READ, mmap

from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import TFLITE, damaged, opened
from nncost.frontends.weights.flat_buffer import Table, root
from nncost.ir.graph import Role

_SUBGRAPHS, _BUFFERS = 2, 4
_TENSORS = 0
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTIZATION = range(5)
_DATA, _OFFSET, _SIZE = range(3)
_SCALE, _ZERO = 2, 3
_TYPES = {
    0: ("float32", 32), 1: ("float16", 16), 2: ("int32", 32), 3: ("uint8", 8), 4: ("int64", 64), 6: ("bool", 8), 7: ("int16", 16),
    8: ("complex64", 64), 9: ("int8", 8), 10: ("float64", 64), 11: ("complex128", 128), 12: ("uint64", 64), 15: ("uint32", 32),
    16: ("uint16", 16), 17: ("int4", 4), 18: ("bfloat16", 16), 19: ("int2", 2), 20: ("uint4", 4),
}  # fmt: skip
_TEXT = 5
_BIAS = "BiasAdd"
_MAX_AXES = 32
_MAX_TENSORS = 200_000


def read(path: str) -> Contents:
    """Return the constants of a model. Raise SourceError."""
    with opened(path, TFLITE) as (file, _):
        try:
            with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped, memoryview(mapped) as content:
                return Contents(tuple(_entries(content)))
        except (ValueError, struct.error, RecursionError) as error:
            raise damaged(path, TFLITE, error) from None


def _entries(content: memoryview) -> Iterator[Entry]:
    model = root(content)
    buffers = list(model.tables(_BUFFERS))
    seen: set[int] = set()
    count = 0
    for subgraph in model.tables(_SUBGRAPHS):
        for tensor in subgraph.tables(_TENSORS):
            count += 1
            if count > _MAX_TENSORS:
                raise ValueError(f"it has more than {_MAX_TENSORS:,} tensors")
            number = tensor.number(_BUFFER)
            if number >= len(buffers):
                raise ValueError(f"a tensor names the buffer {number:,} of {len(buffers):,}")
            stored = _stored(buffers[number], len(content))
            if number and stored and number not in seen:
                seen.add(number)
                yield from _constant(tensor, stored)


def _stored(buffer: Table, size: int) -> int:
    """Bytes of a buffer, in the model or behind it."""
    behind = buffer.number(_SIZE, "Q")
    if behind and buffer.number(_OFFSET, "Q") + behind > size:
        raise ValueError("a buffer of it ends behind the file")
    return behind or buffer.length(_DATA, 1)


def _constant(tensor: Table, stored: int) -> Iterator[Entry]:
    kind, shape, name = tensor.number(_TYPE, "b"), tensor.numbers(_SHAPE, "i", 4), tensor.text(_NAME).replace("/", ".")
    if kind == _TEXT:
        return
    if kind not in _TYPES or len(shape) > _MAX_AXES or min(shape, default=0) < 0:
        raise ValueError(f"the tensor {name[:200]!r} has the unknown type {kind}, or a size that is none")
    dtype, bits = _TYPES[kind]
    if -(-prod(shape) * bits // 8) > stored:
        raise ValueError(f"the tensor {name[:200]!r} needs more than its {stored:,} bytes")
    quantization = tensor.table(_QUANTIZATION)
    scales = quantization.length(_SCALE, 4) if quantization is not None else 0
    zeros = quantization.length(_ZERO, 8) if quantization is not None else 0
    yield Entry(
        name, shape, dtype, stored, _role(name, dtype, scales), packed=TFLITE if scales and dtype != "float32" else ""
    )
    for last, number, kept, width in (("scale", scales, "float32", 4), ("zero_point", zeros, "int64", 8)):
        if number:
            yield Entry(f"{name}.{last}", (number,), kept, width * number, "quantization", TFLITE)


def _role(name: str, dtype: str, scales: int) -> Role | None:
    """What is added has a name that says so. Integers with scales are weights, or biases of 32 and 64 bits; without them they are sizes and axes."""
    if "int" not in dtype:
        return "bias" if _BIAS in name else None
    if not scales:
        return "buffer"
    return "bias" if dtype in ("int32", "int64") else "weight"
