"""What tensors take in a file: bytes by tensor and by type, and the bits of one weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from nncost.dims import Dim, Shape
from nncost.records import record

BITS = 8
QUANTIZATION, OPTIMIZER, BUFFER = "quantization", "optimizer", "buffer"
_SHOWN_DIGITS = 4


@record
class StoredTensor:
    """One tensor of a file; ``bytes`` are those of its numbers, before any compression of the file.

    ``role`` is weight, bias, other or buffer, or what stands beside them: ``quantization`` (scales, zero points, code
    books), ``optimizer`` (its state). Packed weights have the shape of the network; ``packed`` names their format and
    ``stored_shape`` is that of the file.
    """

    name: str
    path: str
    role: str
    dtype: str
    shape: Shape
    elements: Dim
    bytes: int
    packed: str
    stored_shape: Shape

    @property
    def parameters(self) -> Dim:
        """Its learned numbers: none in a buffer, nor in what stands beside the network."""
        return 0 if self.role in (BUFFER, QUANTIZATION, OPTIMIZER) else self.elements


@record
class StoredType:
    """All tensors of one type together; ``parameter_bytes`` are those of the parameters among them."""

    tensors: int
    parameters: int
    buffers: int
    bytes: int
    quantization: int
    parameter_bytes: int

    @property
    def bits_per_weight(self) -> Fraction | None:
        """``8 * parameter_bytes / parameters``; None without parameters."""
        return Fraction(BITS * self.parameter_bytes, self.parameters) if self.parameters else None


@dataclass(frozen=True)
class Storage:
    """All tensors of a file, also those that are no part of the network."""

    tensors: Sequence[StoredTensor]

    @cached_property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return _bytes(self.tensors)

    @cached_property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters, without buffers: ``parameters.bytes`` of the report."""
        return _bytes(self._parameters)

    @cached_property
    def parameters(self) -> int:
        """Learned numbers."""
        return sum(_number(tensor.parameters) for tensor in self._parameters)

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
        return {dtype: together(tensors) for dtype, tensors in grouped(self.tensors, lambda t: t.dtype).items()}

    @cached_property
    def formats(self) -> dict[str, StoredType]:
        """The sums for each format that packs weights, what belongs to them included."""
        packed = [tensor for tensor in self.tensors if tensor.packed]
        return {name: together(tensors) for name, tensors in grouped(packed, lambda t: t.packed).items()}

    @cached_property
    def quantization(self) -> Sequence[StoredTensor]:
        """Scales, zero points, code books and the like: neither parameters nor buffers."""
        return [tensor for tensor in self.tensors if tensor.role == QUANTIZATION]

    @property
    def quantization_bytes(self) -> int:
        """Bytes of scales and the like."""
        return _bytes(self.quantization)

    @property
    def bits_with_quantization(self) -> Fraction | None:
        """The bits of one weight with its share of scales and the like; None without parameters."""
        together_bytes = self.parameter_bytes + self.quantization_bytes
        return Fraction(BITS * together_bytes, self.parameters) if self.parameters else None

    @cached_property
    def optimizer(self) -> Sequence[StoredTensor]:
        """The state of an optimizer, where the file has nothing else."""
        return [tensor for tensor in self.tensors if tensor.role == OPTIMIZER]

    @property
    def _parameters(self) -> Sequence[StoredTensor]:
        return [tensor for tensor in self.tensors if tensor.role not in (BUFFER, QUANTIZATION, OPTIMIZER)]


def grouped(tensors: Iterable[StoredTensor], key: Callable[[StoredTensor], str]) -> dict[str, list[StoredTensor]]:
    """Return the tensors by a key, in their order."""
    groups: dict[str, list[StoredTensor]] = {}
    for tensor in tensors:
        groups.setdefault(key(tensor), []).append(tensor)
    return groups


def together(tensors: Sequence[StoredTensor]) -> StoredType:
    """Return the sums of some tensors."""

    def elements(role: str) -> int:
        return sum(_number(tensor.elements) for tensor in tensors if tensor.role == role)

    return StoredType(
        len(tensors),
        sum(_number(tensor.parameters) for tensor in tensors),
        elements(BUFFER),
        _bytes(tensors),
        elements(QUANTIZATION),
        _bytes(tensor for tensor in tensors if tensor.role not in (BUFFER, QUANTIZATION, OPTIMIZER)),
    )


def decimal(amount: Fraction) -> str:
    """A fraction with at most four digits behind the point, marked where it is rounded: ``4.5``, ``≈ 4.8475``."""
    scaled = round(amount * 10**_SHOWN_DIGITS)
    whole, rest = divmod(scaled, 10**_SHOWN_DIGITS)
    text = f"{whole}.{rest:0{_SHOWN_DIGITS}}".rstrip("0").rstrip(".")
    return text if Fraction(scaled, 10**_SHOWN_DIGITS) == amount else f"≈ {text}"


def _bytes(tensors: Iterable[StoredTensor]) -> int:
    return sum(tensor.bytes for tensor in tensors)


def _number(dim: Dim) -> int:
    """A size read from a file, which is never a formula."""
    assert isinstance(dim, int)
    return dim
