"""The types of numbers: their bytes, and what each framework and file format calls them."""

from __future__ import annotations

from nncost.records import record


@record
class DType:
    """A type of number; ``bytes`` are those of one element.

    ``onnx``, ``torch`` and ``stored`` are the names of ONNX, PyTorch and safetensors for the types that are counted
    as it (PyTorch's own of the same name goes without saying). ``chosen`` ones can be asked for with ``--dtype``.
    """

    name: str
    bytes: int
    onnx: tuple[str, ...] = ()
    torch: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    chosen: bool = False


DTYPES = (
    DType("float32", 4, ("FLOAT",), stored=("F32",), chosen=True),
    DType("float64", 8, ("DOUBLE",), stored=("F64",), chosen=True),
    DType("float16", 2, ("FLOAT16",), stored=("F16",), chosen=True),
    DType("bfloat16", 2, ("BFLOAT16",), stored=("BF16",), chosen=True),
    DType(
        "float8", 1, ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"), ("float8_e4m3fn", "float8_e5m2"),
        chosen=True,
    ),
    DType("complex128", 16),
    DType("complex64", 8, stored=("C64",)),
    DType("complex32", 4),
    DType("int64", 8, ("INT64", "UINT64"), ("uint64",), ("I64",)),
    DType("int32", 4, ("INT32", "UINT32"), ("uint32", "qint32"), ("I32",)),
    DType("int16", 2, ("INT16", "UINT16"), ("uint16",), ("I16",)),
    DType("int8", 1, ("INT8", "INT4"), ("qint8",), ("I8",)),
    DType("uint8", 1, ("UINT8", "UINT4"), ("quint8",), ("U8",)),
    DType("bool", 1, ("BOOL",), stored=("BOOL",)),
)  # fmt: skip
"""Every type that counts know; the first is the default. Unsigned and small integers count as one of the same width."""

DTYPE_BYTES = {dtype.name: dtype.bytes for dtype in DTYPES}
CHOSEN_DTYPES = tuple(dtype.name for dtype in DTYPES if dtype.chosen)
COMPLEX_DTYPES = frozenset(dtype.name for dtype in DTYPES if "complex" in dtype.name)
INTEGER_DTYPES = frozenset(dtype.name for dtype in DTYPES if "int" in dtype.name or dtype.name == "bool")
