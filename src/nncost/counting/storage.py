"""What parameters take in a file: bytes by tensor and by type, and the bits of one weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from nncost.dims import Dim, Shape
from nncost.ir.graph import Parameter, Role
from nncost.records import record

BITS = 8
_SHOWN_DIGITS = 4


@record
class StoredTensor:
    """One tensor of a file; ``bytes`` are those of its numbers, before any compression of the file."""

    name: str
    path: str
    role: Role
    dtype: str
    shape: Shape
    elements: Dim
    bytes: int

    @property
    def parameters(self) -> Dim:
        """Its learned numbers: none in a buffer."""
        return 0 if self.role == "buffer" else self.elements


@record
class StoredType:
    """All tensors of one type together."""

    tensors: int
    parameters: int
    buffers: int
    bytes: int


@dataclass(frozen=True)
class Storage:
    """All tensors of a file. ``bytes`` are those of parameters and buffers."""

    tensors: Sequence[StoredTensor]

    @cached_property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)

    @cached_property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters, without buffers: ``parameters.bytes`` of the report."""
        return sum(tensor.bytes for tensor in self.tensors if tensor.role != "buffer")

    @cached_property
    def parameters(self) -> int:
        """Learned numbers."""
        return sum(_number(tensor.parameters) for tensor in self.tensors)

    @property
    def bits_per_weight(self) -> Fraction | None:
        """``8 * bytes / parameters``; None without parameters."""
        return Fraction(BITS * self.parameter_bytes, self.parameters) if self.parameters else None

    @property
    def formula(self) -> str:
        """How ``bits_per_weight`` comes about."""
        return f"{BITS} * {self.parameter_bytes} / {self.parameters}"

    @property
    def dtype(self) -> str:
        """The type of all tensors, or ``mixed``."""
        return next(iter(self.dtypes)) if len(self.dtypes) == 1 else "mixed"

    @cached_property
    def dtypes(self) -> dict[str, StoredType]:
        """The sums for each type, in the order of the file."""
        by_type: dict[str, list[StoredTensor]] = {}
        for tensor in self.tensors:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        return {dtype: _together(tensors) for dtype, tensors in by_type.items()}


def storage_of(parameters: Iterable[Parameter]) -> Storage | None:
    """The storage of parameters that were read from a file; None for others."""
    tensors = [
        StoredTensor(p.tensor.name, p.path, p.role, p.tensor.dtype, p.tensor.shape, p.tensor.elements, p.stored_bytes)
        for p in parameters
        if p.stored_bytes is not None
    ]
    return Storage(tensors) if tensors else None


def decimal(amount: Fraction) -> str:
    """A fraction with at most four digits behind the point, marked where it is rounded: ``4.5``, ``≈ 4.8475``."""
    scaled = round(amount * 10**_SHOWN_DIGITS)
    whole, rest = divmod(scaled, 10**_SHOWN_DIGITS)
    text = f"{whole}.{rest:0{_SHOWN_DIGITS}}".rstrip("0").rstrip(".")
    return text if Fraction(scaled, 10**_SHOWN_DIGITS) == amount else f"≈ {text}"


def _together(tensors: Sequence[StoredTensor]) -> StoredType:
    parameters = sum(_number(tensor.parameters) for tensor in tensors)
    elements = sum(_number(tensor.elements) for tensor in tensors)
    return StoredType(len(tensors), parameters, elements - parameters, sum(tensor.bytes for tensor in tensors))


def _number(dim: Dim) -> int:
    """A size read from a file, which is never a formula."""
    assert isinstance(dim, int)
    return dim
