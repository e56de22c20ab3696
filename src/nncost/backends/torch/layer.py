"""The one module class behind networks: a layer that runs its steps, some of which are layers of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import torch
from torch import nn

Value = Any


@dataclass(slots=True)
class ModuleTensor:
    """A parameter or buffer of a module, looked up when it is used: modules may be moved and copied."""

    module: nn.Module
    name: str
    is_buffer: bool = False

    def value(self) -> torch.Tensor | None:
        """The tensor as it is now."""
        return (self.module._buffers if self.is_buffer else self.module._parameters)[self.name]


@dataclass(slots=True)
class Fixed:
    """A number, or an operand that is not there (None)."""

    number: float | int | bool | None

    def value(self) -> float | int | bool | None:
        """The number."""
        return self.number


Operand = Union[int, ModuleTensor, Fixed]
"""A slot of the layer's values, or what is there before it runs."""


@dataclass(slots=True)
class Step:
    """One call: ``run(*operands)``, with ``training`` first if it ``asks_mode``; ``dead`` slots are freed after it."""

    run: Callable[..., Value]
    operands: tuple[Operand, ...]
    outputs: tuple[int, ...]
    asks_mode: bool = False
    dead: tuple[int, ...] = field(default=())


class Layer(nn.Module):
    """A layer of a graph: its parameters, the layers inside it, and the steps between its inputs and outputs.

    Values are freed after their last use, as they are in a module written by hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[Step] = []
        self._slots = 0
        self._outputs: tuple[Operand, ...] = ()

    def set_steps(self, steps: Sequence[Step], slots: int, outputs: Sequence[Operand]) -> None:
        """Set what the layer does: slots 0, 1 … are its inputs."""
        self._steps, self._slots, self._outputs = list(steps), slots, tuple(outputs)

    def extra_repr(self) -> str:
        """What the layer calls between those inside it."""
        runs = [step.run for step in self._steps if not isinstance(step.run, nn.Module)]
        names = (getattr(getattr(run, "func", run), "__name__", type(run).__name__).strip("_<>") for run in runs)
        return ", ".join(names)

    def forward(self, *inputs: Value) -> Value:
        """The output, or a tuple of several."""
        values: list[Value] = [*inputs, *[None] * (self._slots - len(inputs))]
        for step in self._steps:
            operands = [values[o] if type(o) is int else o.value() for o in step.operands]  # type: ignore[union-attr]
            result = step.run(self.training, *operands) if step.asks_mode else step.run(*operands)
            del operands
            if len(step.outputs) == 1:
                values[step.outputs[0]] = result
            else:
                for slot, value in zip(step.outputs, result, strict=True):
                    values[slot] = value
            del result
            for slot in step.dead:
                values[slot] = None
        found = tuple([values[o] if isinstance(o, int) else o.value() for o in self._outputs])
        return found[0] if len(found) == 1 else found


class Loop(nn.Module):
    """A body run over and over, as ``Repeat`` describes it, without parameters of its own."""

    def __init__(self, body: Layer, times: int, carried: int, scanned: int, *, reverse: bool) -> None:
        super().__init__()
        self.body = body
        self._times, self._carried, self._scanned, self._reverse = times, carried, scanned, reverse

    def forward(self, *inputs: Value) -> Value:
        """The final carried values, then the stacked ones."""
        carried = list(inputs[: self._carried])
        stacks = inputs[self._carried : self._carried + self._scanned]
        invariant = inputs[self._carried + self._scanned :]
        collected: list[list[Value]] = []
        order = range(self._times)
        for number in reversed(order) if self._reverse else order:
            result = self.body(*carried, *(stack[number] for stack in stacks), *invariant)
            results = result if isinstance(result, tuple) else (result,)
            carried = list(results[: self._carried])
            collected.append(list(results[self._carried :]))
        if self._reverse:
            collected.reverse()
        outputs = (*carried, *(torch.stack(pile) for pile in zip(*collected, strict=True)))
        return outputs[0] if len(outputs) == 1 else outputs
