"""What other counters answer for 784-16-16-10, each asked for one forward pass.

``pip install fvcore thop ptflops torchinfo torchprofile`` first; those that are missing are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nncost


def network() -> nn.Module:
    """The textbook network with a sigmoid on every neuron."""
    pairs = [(784, 16), (16, 16), (16, 10)]
    return nn.Sequential(*(layer for n, m in pairs for layer in (nn.Linear(n, m), nn.Sigmoid())))


def _torch(model: nn.Module, x: torch.Tensor) -> object:
    with FlopCounterMode(display=False) as counter:
        model(x)
    return counter.get_total_flops()


def _fvcore(model: nn.Module, x: torch.Tensor) -> object:
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(model, x).unsupported_ops_warnings(False).total()


def _thop(model: nn.Module, x: torch.Tensor) -> object:
    from thop import profile

    return int(profile(model, (x,), verbose=False)[0])


def _ptflops(model: nn.Module, x: torch.Tensor) -> object:
    from ptflops import get_model_complexity_info

    return get_model_complexity_info(model, (784,), as_strings=False, print_per_layer_stat=False)[0]


def _torchinfo(model: nn.Module, x: torch.Tensor) -> object:
    from torchinfo import summary

    return summary(model, input_data=x, verbose=0).total_mult_adds


def _torchprofile(model: nn.Module, x: torch.Tensor) -> object:
    from torchprofile import profile_macs

    return profile_macs(model, x)


TOOLS: Mapping[str, Callable[[nn.Module, torch.Tensor], object]] = {
    "torch": _torch, "fvcore": _fvcore, "thop": _thop, "torchprofile": _torchprofile, "ptflops": _ptflops,
    "torchinfo": _torchinfo,
}  # fmt: skip


def main() -> None:
    """Print one line for each tool that is installed."""
    warnings.simplefilter("ignore")
    forward = nncost.count("784-16-16-10").forward
    print(f"nncost {nncost.__version__:<22} {forward.mul:,} mul, {forward.add:,} add, {forward.sigmoid} sigmoid")
    for name, answer in TOOLS.items():
        try:
            print(f"{name} {version(name):<22} {answer(network(), torch.randn(1, 784)):,}")
        except (ImportError, PackageNotFoundError):
            print(f"{name}: not installed")


if __name__ == "__main__":
    main()
