"""What a case is, and the few modules that cases share.

Conventions of every number here:

- ``forward_macs`` are the products inside contractions: sums over an index that two operands share. Products with
  padding, with a masked score and with an initial state of zeros count all the same. A complex product is four.
- Elementwise products, sums, norms, pooling, interpolation, lookups and activations are no contractions: 0.
- ``backward_macs`` are those of the gradients of every trainable parameter for a loss that is the sum of all outputs,
  and of the gradients that lie between; nothing for the inputs of the model. The gradient of a contraction with
  respect to one operand is a contraction of as many products as the contraction itself, also where its sum has a
  single term (one example, one row).
- ``parameters`` are learned elements: tied ones once, frozen and unused ones included, a complex number is one element,
  a sparse tensor its stored values.

Where the conventions leave room, ``forward_readings`` and ``backward_readings`` hold the other numbers that can be
defended, and the note says what each means. The number of the case itself is the preferred one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Inputs = tuple[Any, ...] | dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One module with its inputs and its hand-derived numbers."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]
    parameters: int
    weights: int | None
    biases: int | None
    forward_macs: int
    backward_macs: int | None
    note: str
    needs_values: bool = False
    algorithm: bool = False
    forward_readings: tuple[int, ...] = ()
    backward_readings: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name


def call(module: nn.Module, inputs: Inputs) -> Any:
    """The module's outputs for positional or keyword inputs."""
    return module(**inputs) if isinstance(inputs, dict) else module(*inputs)


def tensors(tree: Any) -> Iterator[Tensor]:
    """Every tensor in nested outputs or inputs."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, (tuple, list)):
        for value in tree:
            yield from tensors(value)


def loss(outputs: Any) -> Tensor:
    """The sum of all real and complex outputs that depend on a parameter."""
    total = None
    for y in tensors(outputs):
        if not y.requires_grad:
            continue
        if y.layout is not torch.strided:
            y = y.to_dense()  # noqa: PLW2901
        part = torch.view_as_real(y).sum() if y.is_complex() else y.sum()
        total = part if total is None else total + part
    if total is None:
        raise ValueError("no output depends on a parameter")
    return total


class Function(nn.Module):
    """A function of the inputs as a module without parameters."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: Any) -> Any:
        return self.function(*x)


class Learned(nn.Module):
    """A function of learned tensors and of the inputs: ``function(*learned, *inputs)``."""

    def __init__(
        self, function: Callable[..., Any], *shapes: tuple[int, ...], dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.function = function
        self.learned = nn.ParameterList([nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes])

    def forward(self, *x: Any) -> Any:
        return self.function(*self.learned, *x)


class Behind(nn.Module):
    """A module behind one learned factor, so that the gradient of its first input is asked for; adds one parameter."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self.module = module

    def forward(self, x: Tensor, *rest: Any) -> Any:
        return self.module(x * self.factor, *rest)


KNOWN_WARNINGS = (
    "LSTM with projections is not supported with oneDNN",
    "`torch.jit.script_method` is deprecated",
    "Using padding='same' with even kernel lengths",
    "Using `torch.compile\\(module\\)` when there are global hooks",
)


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch's own warnings about some of the cases, which are no errors."""
    with warnings.catch_warnings():
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        yield


def random(*shapes: tuple[int, ...]) -> Callable[[], tuple[Tensor, ...]]:
    """Inputs of these shapes, made when they are asked for."""
    return lambda: tuple(torch.randn(shape) for shape in shapes)
