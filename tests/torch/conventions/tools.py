"""The tools themselves, each as one function of a module and its inputs that gives its own number."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from tests.torch.conventions.models import Inputs, call

Numbers = dict[str, int | None]
"""``forward`` and perhaps ``backward``; None where the tool fails."""


@contextmanager
def quiet() -> Iterator[None]:
    """What the tools print, log and warn about is not our result."""
    before = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _positional(inputs: Inputs) -> tuple[Any, ...]:
    return tuple(inputs.values()) if isinstance(inputs, dict) else inputs


def _first(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    return (
        output[0]
        if isinstance(output, tuple)
        else next(value for value in output.values() if isinstance(value, Tensor))
    )


class Positional(nn.Module):
    """A module behind positional arguments, for tools that take no others; adds no operation."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *values: Tensor) -> Any:
        output = self.module(**dict(zip(self.names, values, strict=True)))
        return tuple(value for value in output.values() if isinstance(value, Tensor))


def _behind(module: nn.Module, inputs: Inputs) -> nn.Module:
    return Positional(module, tuple(inputs)) if isinstance(inputs, dict) else module


def torch_counter(module: nn.Module, inputs: Inputs) -> Numbers:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as forward:
        output = _first(call(module, inputs))
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    return {"forward": forward.get_total_flops(), "backward": backward.get_total_flops()}


def fvcore(module: nn.Module, inputs: Inputs) -> Numbers:
    from fvcore.nn import FlopCountAnalysis

    return {"forward": int(FlopCountAnalysis(_behind(module, inputs), _positional(inputs)).total())}


TOOLS: Mapping[str, Callable[[nn.Module, Inputs], Numbers]] = {"torch": torch_counter, "fvcore": fvcore}


def numbers(tool: str, module: nn.Module, inputs: Inputs) -> Numbers:
    """The tool's own numbers for a module in inference."""
    with quiet():
        return TOOLS[tool](module.eval(), inputs)
