"""Values as tensors of the graph under construction: constants stay constants, learned ones become parameters."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.frontends.onnx.constants import SIZES
from nncost.frontends.onnx.tied import rounded_copy
from nncost.frontends.onnx.values import (
    Absent,
    Computed,
    Constant,
    Derived,
    FileConstant,
    Known,
    Stored,
    Unlowered,
    Value,
    has_symbols,
)
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Role, Tensor
from nncost.ir.numpy_types import numpy_dtype


class Tensors:
    """The tensors that values become in one builder; ``outer`` are those of the builder around a loop's body.

    Without ``parameters`` every constant stays one: a builder in which values are only computed.
    """

    def __init__(self, builder: Builder, outer: Tensors | None = None, *, parameters: bool = True) -> None:
        self.builder = builder
        self.outer = outer
        self.parameters = parameters
        self.inherited: Role | None = None
        """What the constant that is being computed is needed for."""
        self.looked_up: list[FileConstant] = [] if outer is None else outer.looked_up
        """Tables of embeddings, which an output layer may share."""
        self.copies: list[tuple[FileConstant, FileConstant]] = [] if outer is None else outer.copies
        """Quantized weights that are such a table in numbers of their own, with the table: they are kept, not counted again."""
        self.used_parameter = False
        self._stored: dict[tuple[FileConstant, bool], Tensor] = {}
        self._derived: dict[tuple[object, bool], Sequence[Tensor]] = {}

    def of(self, value: Value, role: Role | None) -> Tensor:
        """A value as a tensor; with a ``role`` a constant of the file becomes a parameter of the current layer."""
        match value:
            case Computed(tensor=tensor):
                return tensor
            case Known(constant=constant) if constant is not None and role and self.parameters:
                return self._parameter(constant, role)
            case Known():
                return self._constant(value)
            case Stored():
                return self._moved(value, role if self.parameters else None)
            case Derived(output=output):
                return self._computed(value, role if self.parameters else None)[output]
            case Absent(reason=reason):
                raise Unlowered(reason)
            case _:
                raise Unlowered("a sequence or an optional stands where a tensor is needed")

    def inheriting(self, value: Value) -> Role | None:
        """What a constant of the file is needed for if its lowering does not say: the same as the result of its node."""
        return self.inherited if isinstance(value, Constant) and value.shape and value.dtype not in SIZES else None

    # ---------------------------------------------------------------- constants of the file
    def _moved(self, value: Stored, role: Role | None) -> Tensor:
        tensor = self._parameter(value.constant, role) if role else self._array(value.constant)
        for move in value.moves:
            tensor = self.builder.emit(move, tensor)
        return tensor

    def _parameter(self, constant: FileConstant, role: Role) -> Tensor:
        """A parameter of the whole graph, also if a loop's body asks for it."""
        self.used_parameter = True
        if self.outer is not None:
            with self.outer.builder.at(self.builder.path, self.builder.phase, self.builder.origin):
                return self.outer._parameter(constant, role)
        if (constant, True) not in self._stored:
            table = rounded_copy(self.looked_up, constant)
            if table is not None:
                self.copies.append((constant, table))
                role = "buffer"
            self._stored[constant, True] = self.builder.parameter(
                constant.shape, role, constant.name, trainable="float" in constant.dtype, read=constant.read,
                dtype=constant.dtype,
            )  # fmt: skip
        return self._stored[constant, True]

    def _array(self, constant: FileConstant) -> Tensor:
        found = self._found((constant, False))
        if found is None:
            found = self.builder.emit(ops.Constant("array", constant.shape, constant.dtype, constant.read))
            self._stored[constant, False] = found
        return found

    def _found(self, key: tuple[FileConstant, bool]) -> Tensor | None:
        found = self._stored.get(key)
        return found if found is not None or self.outer is None else self.outer._found(key)

    # ---------------------------------------------------------------- constants that nodes compute
    def _computed(self, value: Derived, role: Role | None) -> Sequence[Tensor]:
        key = value.node, role is not None
        self.used_parameter = self.used_parameter or role is not None
        if key not in self._derived:
            before, self.inherited = self.inherited, role
            try:
                self._derived[key] = value.node.emitted(self)
            finally:
                self.inherited = before
        return self._derived[key]

    def _constant(self, known: Known) -> Tensor:
        b = self.builder
        if known.shape == ():
            return b.full((), known.values.item(), known.dtype)
        if has_symbols(known):
            parts = [b.full((1,), item, known.dtype) for item in known.values.flat]
            return b.reshape(b.emit(ops.Concat(0), *parts), known.shape)
        values = known.values
        if values.dtype == object:
            values = values.astype(numpy_dtype(known.dtype))
        return b.emit(ops.Constant("array", known.shape, known.dtype, values))

    def forget(self, items: Sequence[object]) -> None:
        """Drop constants whose nodes were taken back."""
        gone = {tensor for item in items for tensor in getattr(item, "outputs", ())}
        self._stored = {key: tensor for key, tensor in self._stored.items() if key[1] or tensor not in gone}
        self._derived = {key: found for key, found in self._derived.items() if gone.isdisjoint(found)}
