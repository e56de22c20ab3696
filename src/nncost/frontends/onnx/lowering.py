"""The open registry of lowerings: from an ONNX operation to composites and core operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Union

from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Value
from nncost.ir.graph import Tensor

Lowered = Union[Tensor, Value, tuple[Union[Tensor, Value], ...]]
Lower = Callable[[Call], Lowered]
"""``lower(call) -> outputs``. Raise Unlowered for a form it does not know."""

_LOWERINGS: dict[tuple[str, str], dict[int, Lower]] = defaultdict(dict)


def lowers(*names: str, since: int = 1, domain: str = "") -> Callable[[Lower], Lower]:
    """Register a lowering of operations, for opsets from ``since`` up to the next registered one."""

    def register(lower: Lower) -> Lower:
        for name in names:
            _LOWERINGS[domain, name][since] = lower
        return lower

    return register


def lowering_for(domain: str, name: str, opset: int) -> Lower | None:
    """The lowering of an operation as the given opset defines it."""
    versions = _LOWERINGS.get((domain, name), {})
    return versions.get(max((since for since in versions if since <= opset), default=0))


def lowered_names() -> list[str]:
    """The operations of ONNX's own domain that are lowered."""
    return sorted(name for domain, name in _LOWERINGS if not domain)
