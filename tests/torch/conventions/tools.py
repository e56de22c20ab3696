"""The tools themselves, each as one function of a module and its inputs that gives its own number."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.conventions.models import Inputs, call
from tests.torch.vision import import_torchvision

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


def _tensors(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        tree = tuple(tree.values())
    return [tensor for item in tree for tensor in _tensors(item)] if isinstance(tree, (tuple, list)) else []


class Positional(nn.Module):
    """A module behind positional arguments, for tools that take no others; adds no operation."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *values: Tensor) -> Any:
        return tuple(_tensors(self.module(**dict(zip(self.names, values, strict=True)))))


class Named(nn.Module):
    """A module behind arguments by name, for a tool that takes one positional argument or names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **values: Any) -> Any:
        return self.module(*values.values())


def _behind(module: nn.Module, inputs: Inputs) -> nn.Module:
    return Positional(module, tuple(inputs)) if isinstance(inputs, dict) else module


def torch_counter(module: nn.Module, inputs: Inputs) -> Numbers:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as forward:
        outputs = _tensors(call(module, inputs))
    numbers: Numbers = {"forward": forward.get_total_flops()}
    if outputs and outputs[0].requires_grad and outputs[0].is_floating_point():
        with FlopCounterMode(display=False) as backward:
            outputs[0].sum().backward()
        numbers["backward"] = backward.get_total_flops()
    return numbers


def fvcore(module: nn.Module, inputs: Inputs) -> Numbers:
    from fvcore.nn import FlopCountAnalysis

    return {"forward": int(FlopCountAnalysis(_behind(module, inputs), _positional(inputs)).total())}


def ptflops(module: nn.Module, inputs: Inputs, backend: str = "pytorch") -> Numbers:
    import_torchvision()
    from ptflops import get_model_complexity_info

    if not isinstance(inputs, dict) and len(inputs) != 1:
        module, inputs = Named(module), {f"x{place}": value for place, value in enumerate(inputs)}
    given = inputs if isinstance(inputs, dict) else inputs[0]
    macs, _ = get_model_complexity_info(
        module, (1,), as_strings=False, print_per_layer_stat=False, input_constructor=lambda _: given, backend=backend
    )
    return {"forward": macs}


def thop(module: nn.Module, inputs: Inputs) -> Numbers:
    from thop import profile

    return {"forward": int(profile(_behind(module, inputs), _positional(inputs), verbose=False)[0])}


def torchinfo(module: nn.Module, inputs: Inputs) -> Numbers:
    from torchinfo import summary

    given = inputs if isinstance(inputs, dict) else list(inputs)
    return {"forward": summary(module, input_data=given, verbose=0).total_mult_adds}


def calflops(module: nn.Module, inputs: Inputs) -> Numbers:
    from calflops import calculate_flops

    given = {"kwargs": dict(inputs)} if isinstance(inputs, dict) else {"args": list(inputs)}
    return {"forward": calculate_flops(module, print_results=False, output_as_string=False, **given)[0]}


def deepspeed(module: nn.Module, inputs: Inputs) -> Numbers:
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from deepspeed.profiling.flops_profiler import get_model_profile

    given = {"kwargs": dict(inputs)} if isinstance(inputs, dict) else {"args": list(inputs)}
    return {"forward": get_model_profile(module, print_profile=False, as_string=False, **given)[0]}


TOOLS: Mapping[str, Callable[[nn.Module, Inputs], Numbers]] = {
    "torch": torch_counter,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "ptflops-aten": partial(ptflops, backend="aten"),
    "thop": thop,
    "torchinfo": torchinfo,
    "calflops": calflops,
    "deepspeed": deepspeed,
}


REPLACED = (torch, functional, Tensor)
"""What the tools put their own functions in."""


@contextmanager
def put_back() -> Iterator[None]:
    """Some tools leave their functions in PyTorch when they fail."""
    before = [dict(vars(owner)) for owner in REPLACED]
    try:
        yield
    finally:
        for owner, attributes in zip(REPLACED, before, strict=True):
            for name, value in dict(vars(owner)).items():
                if name not in attributes:
                    delattr(owner, name)
                elif attributes[name] is not value:
                    setattr(owner, name, attributes[name])


def numbers(tool: str, module: nn.Module, inputs: Inputs) -> Numbers:
    """The tool's own numbers. The module is not fit for use after it."""
    with quiet(), put_back():
        return TOOLS[tool](module, inputs)
