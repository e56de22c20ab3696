"""From a call signature to a kernel in core operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from nncost.dims import Dim
from nncost.errors import NncostError
from nncost.frontends.lowering import RuleError
from nncost.frontends.torch.lowerings import catalogue as _catalogue  # noqa: F401 - registers every lowering
from nncost.frontends.torch.lowerings.registry import Call, Lowering, lowering_for
from nncost.frontends.torch.lowerings.sparse import by_stored
from nncost.frontends.torch.tracing.call_signature import CallSignature, Literal, Operand
from nncost.frontends.torch.tracing.causal import HIDDEN, masked_products
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import DTYPES
from nncost.ir.graph import Item, Node, Region, Tensor
from nncost.ir.layers import Operation
from nncost.ir.trace import Kernel

_UNKNOWN_VALUE = "constant"
"""The name of a constant tensor whose value does not matter to a count: it stands there as ones."""
_DTYPES = {name: dtype.name for dtype in DTYPES for name in dtype.torch}


def dtype_name(dtype: torch.dtype) -> str:
    """Return the type of number that a PyTorch type counts as."""
    name = str(dtype).removeprefix("torch.")
    return _DTYPES.get(name, name)


def kernel_of(signature: CallSignature) -> Kernel:
    """The kernel of a call, made once."""
    if signature.kernel is None:
        signature.kernel = _kernel(signature)
    found: Kernel = signature.kernel
    return found


def _kernel(signature: CallSignature) -> Kernel:
    builder = Builder()
    tensors: dict[int, Tensor] = {}
    learned: set[Tensor] = set()
    stored: dict[Tensor, int | None] = {}

    def convert(value: Any) -> Any:
        if isinstance(value, Operand):
            if value.same not in tensors:
                dtype = dtype_name(value.dtype)
                if value.constant:
                    tensor = builder.emit(ops.Constant("fill", tuple(value.shape), dtype, 1.0, _UNKNOWN_VALUE))
                else:
                    tensor = builder.input(tuple(value.shape), dtype=dtype, packed=value.packed)
                tensors[value.same] = tensor
                if value.parameter:
                    learned.add(tensor)
                if value.sparse:
                    stored[tensor] = value.stored
            return tensors[value.same]
        if isinstance(value, Literal):
            return value.value
        if isinstance(value, tuple):
            return tuple(convert(item) for item in value)
        return value

    arguments = {name: convert(value) for name, value in signature.arguments}
    emit(builder, signature, arguments, frozenset(learned), stored)
    # A gradient's own work is what it emits in phase backward; the rest is what the forward pass left behind.
    kernel_phase = "backward" if any(item.phase == "backward" for item in builder.items) else "forward"
    outputs = builder.items[-1].outputs if builder.items else ()
    return Kernel(builder.graph(*outputs), kernel_phase)  # type: ignore[arg-type]


def emit(
    builder: Builder,
    signature: CallSignature,
    arguments: Mapping[str, Any],
    learned: frozenset[Tensor],
    stored: Mapping[Tensor, int | None] | None = None,
) -> list[Tensor | None]:
    """Emit the operation; an operator without a lowering, or one its lowering refuses, is opaque.

    Everything but constants and saved forward items stands in one region named by the operator.
    """
    info = signature.info
    outputs: tuple[ops.TensorType, ...] = tuple(
        ((), "float32") if output is None else (output[0], dtype_name(output[1])) for output in signature.outputs
    )
    lowering = lowering_for(info.name, signature.operator._overloadname)
    if lowering is not None:
        call = Call(builder, info.name, signature.operator._overloadname, arguments, outputs, learned, stored)
        try:
            masked = masked_products(info.name, dict(signature.arguments).get(HIDDEN), arguments)
            return _lowered(call, partial(by_stored, lowering) if stored else lowering, masked)
        except RuleError:
            raise
        except (NotImplementedError, NncostError, LookupError, TypeError, ValueError, ArithmeticError, AssertionError):
            pass  # what a lowering does not know is unknown, never zero
    tensors = list(dict.fromkeys(graph_tensors(arguments.values())))
    return list(builder.emit_many(ops.Opaque(info.name, outputs), *tensors)) if outputs else []


def _lowered(call: Call, lowering: Lowering, masked: Dim = 0) -> list[Tensor | None]:
    """What a lowering emits, as one region; nothing where it raises."""
    builder = call.builder
    outer, dtype = builder.begin_items(), builder.dtype
    builder.dtype = next((dtype for _, dtype in call.outputs if "float" in dtype), dtype)
    try:
        found = lowering(call)
    finally:
        inside, builder.dtype = builder.end_items(outer), dtype
    lowered: list[Any] = list(found) if isinstance(found, (tuple, list)) else [found]
    builder.items.extend(_named(row_name(call.name), inside, lowered, masked))
    return lowered


def row_name(name: str) -> str:
    """What reports call an operator: ``aten::_softmax`` is ``softmax``."""
    namespace, _, base = name.partition("::")
    return base.strip("_") if namespace == "aten" else name


def _named(name: str, items: list[Item], lowered: list[Tensor | None], masked: Dim) -> list[Item]:
    """The items with all work in a single region."""
    constants = [item for item in items if isinstance(item, Node) and isinstance(item.op, ops.Constant)]
    saved = [item for item in items if item.phase == "forward" and any(other.phase == "backward" for other in items)]
    aside = dict.fromkeys((*constants, *saved))
    work = [item for item in items if item not in aside]
    kept: list[Item] = list(aside)
    if len(work) <= 1 and masked == 0:
        return [*kept, *work]
    produced = {tensor for item in work for tensor in item.outputs}
    inputs = dict.fromkeys(t for item in work for t in item.inputs if t not in produced)
    outputs = tuple(tensor for tensor in lowered if tensor is not None and tensor in produced)
    region = Region(Operation(name), tuple(work), tuple(inputs), outputs, work[0].path, work[0].phase, masked=masked)
    return [*kept, region]


def graph_tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors of a graph among values and tuples of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple):
            yield from graph_tensors(value)
