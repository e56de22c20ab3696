"""The types of numbers: their bits, and what each framework and file format calls them."""

from __future__ import annotations

from nncost.dims import Dim, ceil_divide
from nncost.records import record

BITS_PER_BYTE = 8


@record
class DType:
    """A type of number; ``bits`` are those of one element, several of which may share a byte.

    ``onnx``, ``torch`` and ``stored`` are the names of ONNX, PyTorch and safetensors for the types that are counted
    as it (PyTorch's own of the same name goes without saying). ``chosen`` ones can be asked for with ``--dtype``.
    """

    name: str
    bits: int
    onnx: tuple[str, ...] = ()
    torch: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    chosen: bool = False


DTYPES = (
    DType("float32", 32, ("FLOAT",), stored=("F32",), chosen=True),
    DType("float64", 64, ("DOUBLE",), stored=("F64",), chosen=True),
    DType("float16", 16, ("FLOAT16",), stored=("F16",), chosen=True),
    DType("bfloat16", 16, ("BFLOAT16",), stored=("BF16",), chosen=True),
    DType("float8", 8, torch=("float8_e4m3fn", "float8_e5m2"), chosen=True),
    DType("float8_e4m3fn", 8, ("FLOAT8E4M3FN",)),
    DType("float8_e4m3fnuz", 8, ("FLOAT8E4M3FNUZ",)),
    DType("float8_e5m2", 8, ("FLOAT8E5M2",)),
    DType("float8_e5m2fnuz", 8, ("FLOAT8E5M2FNUZ",)),
    DType("float8_e8m0fnu", 8, ("FLOAT8E8M0",)),
    DType("float4_e2m1fn", 4, ("FLOAT4E2M1",)),
    DType("complex128", 128, ("COMPLEX128",)),
    DType("complex64", 64, ("COMPLEX64",), stored=("C64",)),
    DType("complex32", 32),
    DType("int64", 64, ("INT64",), stored=("I64",)),
    DType("int32", 32, ("INT32",), ("qint32",), ("I32",)),
    DType("int16", 16, ("INT16",), stored=("I16",)),
    DType("int8", 8, ("INT8",), ("qint8",), ("I8",)),
    DType("int4", 4, ("INT4",)),
    DType("int2", 2, ("INT2",)),
    DType("uint64", 64, ("UINT64",), stored=("U64",)),
    DType("uint32", 32, ("UINT32",), stored=("U32",)),
    DType("uint16", 16, ("UINT16",), stored=("U16",)),
    DType("uint8", 8, ("UINT8",), ("quint8",), ("U8",)),
    DType("uint4", 4, ("UINT4",)),
    DType("uint2", 2, ("UINT2",)),
    DType("bool", 8, ("BOOL",), stored=("BOOL",)),
)
"""Every type that counts know; the first is the default."""

DTYPE_BITS = {dtype.name: dtype.bits for dtype in DTYPES}
CHOSEN_DTYPES = tuple(dtype.name for dtype in DTYPES if dtype.chosen)
COMPLEX_DTYPES = frozenset(dtype.name for dtype in DTYPES if "complex" in dtype.name)
INTEGER_DTYPES = frozenset(dtype.name for dtype in DTYPES if "int" in dtype.name or dtype.name == "bool")


def whole_bytes(dtype: str) -> int | None:
    """Return the bytes of one element; None where several share a byte, or for a type that is not known."""
    bits = DTYPE_BITS.get(dtype, 0)
    return bits // BITS_PER_BYTE or None


def bytes_of(elements: Dim, dtype: str) -> Dim:
    """Return the bytes of so many elements, a last byte that is only partly used included."""
    each = whole_bytes(dtype)
    return ceil_divide(elements * DTYPE_BITS[dtype], BITS_PER_BYTE) if each is None else elements * each
