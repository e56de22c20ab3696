"""What PyTorch runs is what is counted: outputs, signatures, hooks, types, leaves, optimizers, threads, scripts."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nncost


def products(run: Callable[[], Any]) -> int:
    """The products of a run, as PyTorch's own counter sees them."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2


# ------------------------------------------------------------------- outputs
@dataclass
class Record:
    logits: torch.Tensor


class Pair(NamedTuple):
    logits: torch.Tensor
    other: None


class Plain:
    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


class Slots:
    __slots__ = ("logits",)

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


OUTPUTS: dict[str, Callable[[torch.Tensor], Any]] = {
    "tensor": lambda y: y,
    "dataclass": Record,
    "named tuple": lambda y: Pair(y, None),
    "namespace": lambda y: SimpleNamespace(logits=y),
    "object": Plain,
    "slots": Slots,
    "dictionary": lambda y: {"logits": y},
    "list in a dataclass": lambda y: Record([y]),  # type: ignore[arg-type]
    "dataclass in a list": lambda y: [Record(y)],
}


class Returns(nn.Module):
    def __init__(self, kind: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.dense, self.kind = nn.Linear(4, 3), kind

    def forward(self, x: torch.Tensor) -> Any:
        return self.kind(self.dense(x))


@pytest.mark.parametrize("loss", ["sum", "squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_any_class(name: str, loss: str) -> None:
    report = nncost.count(Returns(OUTPUTS[name]), (5, 4), loss=loss, optimizer="adam")
    plain = nncost.count(Returns(OUTPUTS["tensor"]), (5, 4), loss=loss, optimizer="adam")
    assert report.complete
    assert (report.backward.macs, report.backward.derivatives) == (60, 15)
    assert report.update.mul == plain.update.mul


# ------------------------------------------------------------------- signatures
class Child(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4, bias=False)

    def forward(self, x: torch.Tensor, twice: bool = False) -> torch.Tensor:
        return self.dense(self.dense(x)) if twice else self.dense(x)


ASKS: dict[str, Callable[[nn.Module], bool]] = {
    "signature of forward": lambda m: "twice" in inspect.signature(m.forward).parameters,
    "signature of the class": lambda m: "twice" in inspect.signature(type(m).forward).parameters,
    "argument names": lambda m: "twice" in inspect.getfullargspec(m.forward).args,
    "method": lambda m: inspect.ismethod(m.forward) and m.forward.__self__ is m and m.forward.__name__ == "forward",
}


class Asks(nn.Module):
    def __init__(self, how: Callable[[nn.Module], bool]) -> None:
        super().__init__()
        self.child, self.how = Child(), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.child(x, twice=True) if self.how(self.child) else self.child(x)


@pytest.mark.parametrize("settings", [{}, {"loss": "sum"}])
@pytest.mark.parametrize("name", ASKS)
def test_a_layer_is_asked_what_it_takes(name: str, settings: dict[str, str]) -> None:
    assert nncost.count(Asks(ASKS[name]), (3, 4), **settings).forward.macs == 96


# ------------------------------------------------------------------- exact types
class Types(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4, bias=False)
        self.register_buffer("table", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        exact = type(x) is torch.Tensor and type(self.dense.weight) is nn.Parameter and type(self.table) is torch.Tensor
        made = type(self.dense(x)) is torch.Tensor and x.device.type == "cpu" and not x.is_meta
        return x if exact and made else self.dense(x)


@pytest.mark.parametrize("given", [(6, 4), torch.ones(6, 4)], ids=["shape", "tensor"])
@pytest.mark.parametrize("settings", [{}, {"loss": lambda y: y.sum()}])
def test_tensors_have_pytorchs_own_classes(given: Any, settings: dict[str, Any]) -> None:
    if settings and not isinstance(given, torch.Tensor):
        given = torch.ones(given, requires_grad=True)
    assert nncost.count(Types(), given).forward.macs == 96


# ------------------------------------------------------------------- gradients
def hooked(*kinds: str) -> nn.Module:
    module, mask = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)), torch.ones(4, 4)
    if "gradient" in kinds:
        module[0].weight.register_hook(lambda gradient: gradient * mask)
    if "accumulated" in kinds:
        module[1].weight.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(0.5))
    return module


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(
    ("kinds", "more"), [((), 0), (("gradient",), 16), (("accumulated",), 16), (("gradient", "accumulated"), 32)]
)
def test_hooks_on_gradients_of_parameters(kinds: tuple[str, ...], more: int, reuse: bool) -> None:
    report = nncost.count(hooked(*kinds), (3, 4), loss="sum", reuse=reuse)
    assert report.complete
    assert report.backward.mul == 144 + more


class Leaf(nn.Module):
    """Makes a tensor that requires a gradient while it runs."""

    def __init__(self, make: Callable[[], torch.Tensor]) -> None:
        super().__init__()
        self.dense, self.out, self.make = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False), make

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x) + self.out(self.make())


LEAVES: dict[str, Callable[[], torch.Tensor]] = {
    "requires_grad_": lambda: torch.zeros(2, 8).requires_grad_(),
    "keyword": lambda: torch.zeros(2, 8, requires_grad=True),
    "parameter": lambda: nn.Parameter(torch.zeros(2, 8)),
    "detached": lambda: torch.zeros(2, 8).detach().requires_grad_(),
}


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_that_is_made_in_forward(name: str, reuse: bool) -> None:
    module = Leaf(LEAVES[name])
    output = module(torch.randn(2, 8)).sum()
    assert nncost.count(module, (2, 8), loss="sum", reuse=reuse).backward.macs == products(output.backward) == 384


# ------------------------------------------------------------------- optimizers
class Compiled(torch.optim.Optimizer):
    """Its arithmetic is a compiled function."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                _descend(p, p.grad, group["lr"])


@torch.compile(fullgraph=True)
def _descend(p: torch.Tensor, g: torch.Tensor, lr: float) -> None:
    p.add_(g, alpha=-lr)


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize("width", [4, 8])
def test_an_optimizer_with_a_compiled_step(as_object: bool, width: int) -> None:
    module = nn.Linear(width, width)
    optimizer = Compiled(module.parameters()) if as_object else Compiled
    assert nncost.count(module, (2, width), loss="sum", optimizer=optimizer).update.mul == width * width + width


class Average(torch.optim.SGD):
    """Keeps an average of all parameters in an attribute."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, lr=0.1)
        self.average = [torch.zeros_like(p) for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        for average, p in zip(self.average, self.param_groups[0]["params"], strict=False):
            average.mul_(0.9).add_(p, alpha=0.1)
        return result


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("as_object", [False, True])
def test_an_optimizer_with_tensors_of_its_own(as_object: bool, scheduled: bool) -> None:
    module = nn.Linear(4, 4, bias=False)
    optimizer = Average(module.parameters())
    if scheduled:
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
    report = nncost.count(module, (2, 4), loss="sum", optimizer=optimizer if as_object else Average)
    assert report.update.mul == 16 + 2 * 16
    assert not any(average.any() for average in optimizer.average)


# ------------------------------------------------------------------- threads
class Pooled(nn.Module):
    def __init__(self, calls: int, workers: int) -> None:
        super().__init__()
        self.dense, self.calls, self.workers = nn.Linear(4, 4, bias=False), calls, workers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with ThreadPoolExecutor(self.workers) as pool:
            return sum(pool.map(self.dense, [x] * self.calls))  # type: ignore[return-value]


@pytest.mark.parametrize("settings", [{}, {"loss": "sum"}])
@pytest.mark.parametrize(("calls", "workers"), [(1, 1), (3, 2), (5, 4)])
def test_layers_that_run_in_threads(calls: int, workers: int, settings: dict[str, str]) -> None:
    report = nncost.count(Pooled(calls, workers), (2, 4), **settings)
    assert report.complete
    assert report.forward.macs == calls * 32


# ------------------------------------------------------------------- scripts, copies and values
class Sizes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(8, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c = x.shape
        return self.dense(x.reshape(n * c // 8, 8))


def traced() -> nn.Module:
    return torch.jit.trace(Sizes(), torch.ones(3, 8))


def frozen() -> nn.Module:
    return torch.jit.freeze(torch.jit.script(Sizes().eval()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("given", [(3, 8), torch.ones(3, 8)], ids=["shape", "tensor"])
@pytest.mark.parametrize("make", [traced, lambda: torch.jit.script(Sizes()), frozen])
def test_scripts_that_compute_with_sizes(make: Callable[[], nn.Module], given: Any, ran: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make()
    if ran:
        module(torch.ones(3, 8))
    assert nncost.count(module, given).forward.macs == 192


class Scales(nn.Module):
    """A factor that is a number of a tensor's."""

    def __init__(self, how: Callable[[Any], Any]) -> None:
        super().__init__()
        self.dense, self.how = nn.Linear(8, 8), how
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x) * self.how(self)


FACTORS: dict[str, Callable[[Any], Any]] = {
    "buffer": lambda m: m.factor.item(),
    "float": lambda m: float(m.factor),
    "new tensor": lambda m: torch.tensor(2.0).item(),
    "list": lambda m: torch.tensor([1.0, 2.0]).tolist()[1],
    "computed": lambda m: (m.factor * 2 + 1).item(),
    "normal": lambda m: torch.distributions.Normal(0, 1).icdf(torch.tensor(0.95)),
}


@pytest.mark.parametrize("settings", [{}, {"loss": "sum", "optimizer": "sgd"}])
@pytest.mark.parametrize("name", FACTORS)
def test_a_value_that_is_a_number(name: str, settings: dict[str, str]) -> None:
    report, plain = (nncost.count(Scales(how), (2, 8), **settings) for how in (FACTORS[name], lambda m: 2.0))
    assert report.complete
    assert report.forward.macs == 128
    assert report.memory.notes == ()
    if name != "normal":
        assert report.forward.mul == plain.forward.mul + (name == "computed")


class Copies(nn.Module):
    """Runs a copy of its own layer, or leaves PyTorch for NumPy in between."""

    def __init__(self, how: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.cell, self.how = nn.LSTM(4, 3, batch_first=True), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(self, x)


COPIES: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "deepcopy": lambda m, x: copy.deepcopy(m.cell)(x)[0],
    "copy": lambda m, x: copy.copy(m.cell)(x)[0],
    "numpy": lambda m, x: torch.from_numpy(m.cell(x)[0].detach().numpy()),
    "address": lambda m, x: m.cell(x)[0] * (x.data_ptr() > 0),
}


@pytest.mark.parametrize("name", COPIES)
def test_what_needs_values_is_counted_with_tensors(name: str) -> None:
    assert nncost.count(Copies(COPIES[name]), (torch.randn(2, 5, 4),)).forward.macs == 2 * 5 * 12 * (4 + 3)
