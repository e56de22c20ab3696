"""Results of calls that need no run: the tracer has met them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.fake_tensors import Outputs
from nncost.frontends.torch.tracing.call_signature import CallSignature, Operand
from nncost.frontends.torch.tracing.causal import HIDDEN

_ALIASES = {
    "aten::_unsafe_view", "aten::unsafe_split", "aten::unsafe_split_with_sizes", "aten::mkldnn_rnn_layer_backward"
}  # fmt: skip
"""Operators whose results are not what their shapes say: they share memory."""
_CONTEXT = {"asked", "contraction", HIDDEN}
"""What a tracer adds to the arguments of a call."""
KnownResults = Mapping[Any, Outputs]
"""How to make the results of a call, by operator and arguments."""


def known_from(signatures: Iterable[CallSignature]) -> KnownResults:
    """What a tracer has met."""
    found: dict[Any, Outputs] = {}
    for signature in signatures:
        if signature.results is not None and signature.info.name not in _ALIASES:
            arguments = tuple([(name, _key(value)) for name, value in signature.arguments if name not in _CONTEXT])
            found[signature.operator, arguments] = signature.results
    return found


def key_of(operator: Any, info: OperatorInfo, args: Iterable[Any], kwargs: Iterable[tuple[str, Any]]) -> Any:
    """The key of a call among known results."""
    arguments = [(name, _key(value)) for name, value in zip(info.names, args, strict=False)]
    arguments += [(name, _key(value)) for name, value in kwargs if name != "out" and name not in info.written_names]
    return operator, tuple(arguments)


def _key(value: Any) -> Any:
    """An argument without its provenance."""
    if type(value) is Operand:
        return value.layout
    return tuple([_key(item) for item in value]) if type(value) is tuple else value
