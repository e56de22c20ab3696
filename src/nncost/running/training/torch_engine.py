"""The engine on PyTorch: the same network as a module, the same initial values, the optimizer of ``torch.optim``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from nncost.ir import ops
from nncost.ir.graph import Graph, Parameter, walk
from nncost.running.modules import module_of
from nncost.running.training.lion import Lion
from nncost.running.training.network import Network
from nncost.running.training.numpy_engine import DROPOUT_STREAM, EVALUATED, parameter_names
from nncost.running.training.settings import TrainingSettings
from nncost.running.training.tables.table import Array
from nncost.training.losses import NO_LOSS
from nncost.training.optimizers import ADAGRAD_EPSILON, MOMENTUM, OPTIMIZERS, WEIGHT_DECAY

if TYPE_CHECKING:
    from torch.optim import Optimizer

THEIR_STATES: Mapping[str, Mapping[str, str]] = {
    "sgd": {},
    "momentum": {"velocity": "momentum_buffer"},
    "nesterov": {"velocity": "momentum_buffer"},
    "adam": {"first": "exp_avg", "second": "exp_avg_sq"},
    "adamw": {"first": "exp_avg", "second": "exp_avg_sq"},
    "rmsprop": {"square": "square_avg"},
    "adagrad": {"total": "sum"},
    "lion": {"momentum": "momentum"},
}
"""What ``torch.optim`` calls the states that :mod:`nncost.training.optimizers` names."""
_COUNTING_STEPS = frozenset({"adam", "adamw", "rmsprop", "adagrad"})


def optimizer_of(name: str, parameters: list[Any], rate: float) -> Optimizer:
    """The optimizer of a name in the form that counts document, with PyTorch's defaults."""
    match name:
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate)
        case "momentum" | "nesterov":
            return torch.optim.SGD(parameters, lr=rate, momentum=MOMENTUM, nesterov=name == "nesterov")
        case "adam":
            return torch.optim.Adam(parameters, lr=rate)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=WEIGHT_DECAY)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate)
        case "adagrad":
            return torch.optim.Adagrad(parameters, lr=rate, eps=ADAGRAD_EPSILON)
        case "lion":
            return Lion(parameters, rate)
        case _:
            raise AssertionError(name)


class TorchEngine:
    """A module, its optimizer and the loss; arrays come in and go out."""

    name = "torch"

    def __init__(self, network: Network, settings: TrainingSettings, loss: str, dtype: str) -> None:
        self.settings, self.loss, self.dtype = settings, loss, dtype
        graph = network.step(settings.batch).model.graph
        self.built = module_of(graph, seed=settings.seed)
        self.module = self.built.module
        self.graph: Graph = graph
        self.names = parameter_names(graph)
        self.draws = any(isinstance(node.op, ops.Random) for node in walk(graph.items))
        self.trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = optimizer_of(settings.optimizer, self.trained, settings.learning_rate)
        self.learned = {p: name for p, name in zip(graph.parameters, self.names, strict=True) if p.trainable}
        self.kinds = THEIR_STATES[settings.optimizer]
        self._begin_states()
        self.criterion = _binary if loss == "binary_cross_entropy" else self.built.loss_function(loss)
        assert loss != NO_LOSS
        assert set(self.kinds) == set(OPTIMIZERS[settings.optimizer].states)

    def _begin_states(self) -> None:
        """States of zeros, as the counted graph has them, where PyTorch would make them in the first step."""
        for parameter in self.trained:
            state = self.optimizer.state[parameter]
            for theirs in self.kinds.values():
                state[theirs] = torch.zeros_like(parameter)

    def prepare_for(self, batch: int) -> None:
        """Nothing: a module takes any batch."""

    def step(self, x: Array, target: Array, number: int) -> float:
        """Forward, backward and update; the loss as a number."""
        if self.settings.optimizer in _COUNTING_STEPS:
            for parameter in self.trained:
                self.optimizer.state[parameter].setdefault("step", torch.tensor(float(number - 1)))
        self.module.train()
        with self._random(number):
            loss = self.criterion(self.module(torch.from_numpy(x)), torch.from_numpy(target))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    @contextmanager
    def _random(self, number: int) -> Iterator[None]:
        """Random numbers that the seed and the step decide; the process's own generator stays as it was."""
        if not self.draws:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            stream = np.random.SeedSequence([self.settings.seed, DROPOUT_STREAM, number])
            torch.manual_seed(int(stream.generate_state(1, np.uint64)[0]))
            yield

    def outputs(self, x: Array) -> Array:
        """The module in evaluation mode, some hundred examples at once."""
        self.module.eval()
        with torch.no_grad():
            parts = [self.module(torch.from_numpy(x[i : i + EVALUATED])) for i in range(0, len(x), EVALUATED)]
        result: Array = torch.cat(parts).numpy()
        return result

    def values(self) -> dict[str, Array]:
        """Parameters and buffers in the graph's layout."""
        found = self.built.values()
        return {name: found[p].astype(self.dtype) for p, name in zip(self.graph.parameters, self.names, strict=True)}

    def state(self) -> dict[str, Array]:
        """The optimizer's states in the graph's layout, under the graph's names."""
        result: dict[str, Array] = {}
        for ours, theirs in self.kinds.items():
            with self._in_place_of_parameters(theirs):
                found = self.built.values()
            result |= {f"{name}/{ours}": found[p].astype(self.dtype) for p, name in self.learned.items()}
        return result

    @contextmanager
    def _in_place_of_parameters(self, kind: str) -> Iterator[None]:
        """Let the module's parameters hold a state meanwhile, so that it is read and written in the same layout."""
        own = [parameter.data for parameter in self.trained]
        for parameter in self.trained:
            parameter.data = self.optimizer.state[parameter][kind]
        try:
            yield
        finally:
            for parameter, data in zip(self.trained, own, strict=True):
                parameter.data = data

    def restore(self, values: Mapping[str, Array], state: Mapping[str, Array]) -> None:
        """Overwrite parameters, buffers and states; the step number comes with the next step."""
        by_name: dict[str, Parameter] = dict(zip(self.names, self.graph.parameters, strict=True))
        for ours, theirs in self.kinds.items():
            with self._in_place_of_parameters(theirs):
                self.built.set_values({p: state[f"{name}/{ours}"] for p, name in self.learned.items()})
        self.built.set_values({by_name[name]: array for name, array in values.items()})
        for parameter in self.trained:
            self.optimizer.state[parameter].pop("step", None)


def _binary(p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of probabilities kept off 0 and 1 by the smallest step of their type."""
    limits = torch.finfo(p.dtype)
    return functional.binary_cross_entropy(p.clamp(limits.tiny, 1 - limits.eps / 2), target)
