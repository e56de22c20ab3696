"""The lowerings of ONNX operations, from a node to composites and core operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Union, cast

from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Value
from nncost.ir.graph import Tensor

Lowered = Union[Tensor, Value, None, tuple[Union[Tensor, Value, None], ...]]
Lower = Callable[[Call], Lowered]
"""``lower(call) -> outputs``. Raise Unlowered for a form it does not know."""


def lowers(*names: str, since: int = 1, domain: str = "") -> Callable[[Lower], Lower]:
    """Register a lowering of operations, for opsets from ``since`` up to the next registered one."""
    return ONNX.register([full_name(domain, name) for name in names], since)


def follows_bodies(*names: str, since: int = 1) -> Callable[[Lower], Lower]:
    """Register a lowering of operations with bodies, which read values from outside: they are never constants."""
    FOLLOWS_BODIES.update(names)
    return lowers(*names, since=since)


FOLLOWS_BODIES: set[str] = set()


def lowering_for(domain: str, name: str, opset: int) -> Lower | None:
    """Return the lowering of an operation as the given opset defines it."""
    return cast("Lower | None", ONNX.find(full_name(domain, name), version=opset))


def full_name(domain: str, name: str) -> str:
    """Return ``Name``, or ``domain.Name`` outside the default domain."""
    return f"{domain}.{name}" if domain else name
