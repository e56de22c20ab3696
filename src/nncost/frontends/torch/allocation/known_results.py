"""Results of calls that need no run: met while the operations were counted, or elementwise on operands that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from nncost.frontends.torch.allocation.call_record import Operand, Plain
from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.fake_tensors import FastPath
from nncost.frontends.torch.tracing.call_signature import Literal, Signature
from nncost.frontends.torch.tracing.call_signature import Operand as Seen

_ALIASES = {"aten::_unsafe_view", "aten::mkldnn_rnn_layer_backward"}
"""Operators whose results are not what their shapes say: they share memory."""
_CONTEXT = {"asked", "contraction"}
"""What a tracer adds to the arguments of a call."""
_ALIKE = {
    getattr(torch.ops.aten, name).Tensor for name in ("add", "sub", "mul", "div")
} | {
    getattr(torch.ops.aten, name).default
    for name in ("clone", "sqrt", "rsqrt", "exp", "neg", "relu", "sigmoid", "tanh", "silu", "sign", "abs", "square")
}  # fmt: skip
"""Elementwise operators whose result is like their operands, where these are floating-point and alike."""

Known = Mapping[Any, Any]
"""How to make the results of a call, by operator and arguments."""


def known_from(signatures: Iterable[Signature]) -> Known:
    """What a tracer has met."""
    found: dict[Any, Any] = {}
    for signature in signatures:
        info = signature.info
        if signature.memory is None or info.name in _ALIASES:
            continue
        arguments = tuple([(name, _seen(value)) for name, value in signature.arguments if name not in _CONTEXT])
        if signature.memory == "written":
            outputs: Any = (None, info.written[0])
        else:
            single, shapes = signature.memory
            outputs = (torch.Tensor if single else tuple, shapes)
        found[signature.operator, arguments] = outputs
    return found


def key_of(operator: Any, info: OperatorInfo, args: Iterable[Any], kwargs: Iterable[tuple[str, Any]]) -> Any:
    """The key of a call that is described for its memory."""
    arguments = [(name, _plain(value)) for name, value in zip(info.names, args, strict=False)]
    arguments += [(name, _plain(value)) for name, value in kwargs if name != "out" and name not in info.written_names]
    return operator, tuple(arguments)


def _seen(value: Any) -> Any:
    if isinstance(value, Seen):
        return (value.shape, value.stride, value.dtype)
    if isinstance(value, Literal):
        return (value.kind, value.value)
    return tuple([_seen(item) for item in value]) if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Operand):
        return (value.shape, value.stride, value.dtype)
    if isinstance(value, Plain):
        return (value.kind, value.value)
    return tuple([_plain(item) for item in value]) if isinstance(value, tuple) else value


def elementwise(operator: Any, info: OperatorInfo, args: Any, tensors: list[torch.Tensor], fast: FastPath) -> Any:
    """The result of an elementwise call on stand-ins that are alike; NotImplemented for any other call."""
    if tensors[0] is not args[0] or not (torch.Tag.pointwise in operator.tags or operator in _ALIKE):
        return NotImplemented
    if info.written:
        return args[0] if info.written == (0,) else NotImplemented
    first = tensors[0]
    if operator not in _ALIKE or not first.dtype.is_floating_point or not first.is_contiguous():
        return NotImplemented
    form = (first.shape, first.stride(), first.dtype)
    if any((other.shape, other.stride(), other.dtype) != form for other in tensors[1:]):
        return NotImplemented
    return fast.make(*form)
