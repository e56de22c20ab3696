"""A layer as one call: a function and the tensors of the graph it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.ir.graph import Tensor
from nncost.records import record

Value = Any


@record
class TorchCall:
    """A function and its operands; one that ``asks_mode`` takes first whether the layer is in training.

    ``constants`` are arrays the function takes behind its operands.
    """

    run: Callable[..., Value]
    operands: tuple[Tensor | None, ...]
    asks_mode: bool = False
    constants: tuple[Any, ...] = ()
