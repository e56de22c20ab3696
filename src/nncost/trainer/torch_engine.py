"""The engine on PyTorch: the network as a module, with the same initial values and an optimizer of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from nncost.backends.onnx import names_of
from nncost.backends.torch import module_of
from nncost.frontends.model import Inputs, LoadOptions, TensorShape
from nncost.frontends.torch.step.optimizer import named_optimizer
from nncost.ir import ops
from nncost.ir.graph import Graph, Parameter, walk
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.report import Report
from nncost.trainer.network import Network
from nncost.trainer.numpy_engine import DROPOUT_STREAM, EVALUATED
from nncost.trainer.settings import TrainingSettings
from nncost.trainer.tables.table import Array


class TorchEngine:
    """A module, its optimizer and its loss behind arrays."""

    name = "torch"

    def __init__(self, network: Network, settings: TrainingSettings, loss: str, dtype: str) -> None:
        self.network, self.settings, self.loss, self.dtype = network, settings, loss, dtype
        graph = network.step(settings.batch).model.graph
        self.built = module_of(graph, seed=settings.seed)
        self.module = self.built.module
        self.graph: Graph = graph
        self.names = list(names_of(graph).values())
        self.draws = any(isinstance(node.op, ops.Random) for node in walk(graph.items))
        self.trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = named_optimizer(settings.optimizer, self.trained, settings.learning_rate)
        self.learned = {p: name for p, name in zip(graph.parameters, self.names, strict=True) if p.trainable}
        table = OPTIMIZERS[settings.optimizer]
        assert table.torch is not None
        self.counts_steps = table.torch.counts_steps
        self.kinds = dict(zip(table.states, table.torch.states, strict=True))
        self._begin_states()
        self.criterion = self.built.loss_function(loss)

    def _begin_states(self) -> None:
        """Make states of zeros, as the counted graph has them; PyTorch would make them in the first step."""
        for parameter in self.trained:
            state = self.optimizer.state[parameter]
            for theirs in self.kinds.values():
                state[theirs] = torch.zeros_like(parameter)

    def prepare_for(self, batch: int) -> None:
        """Do nothing: a module takes any batch."""

    def step(self, x: Array, target: Array, number: int) -> float:
        """Run forward, backward and update; return the loss as a number."""
        if self.counts_steps:
            for parameter in self.trained:
                self.optimizer.state[parameter].setdefault("step", torch.tensor(float(number - 1)))
        self.module.train()
        with self._random(number):
            output = self.module(torch.from_numpy(x))
            loss = self.criterion(self._inside(output), torch.from_numpy(target))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _inside(self, output: torch.Tensor) -> torch.Tensor:
        """Probabilities whose logarithms are taken, kept off 0 and 1 by the smallest step of their type."""
        if self.loss != "binary_cross_entropy":
            return output
        limits = torch.finfo(output.dtype)
        return output.clamp(limits.tiny, 1 - limits.eps / 2)

    @contextmanager
    def _random(self, number: int) -> Iterator[None]:
        """Seed PyTorch's random numbers by the seed and the step; the process's own generator stays as it was."""
        if not self.draws:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            stream = np.random.SeedSequence([self.settings.seed, DROPOUT_STREAM, number])
            torch.manual_seed(int(stream.generate_state(1, np.uint64)[0]))
            yield

    def report(self) -> Report:
        """Trace the module's own step: its memory is what PyTorch's allocator will be asked for."""
        shape = (self.settings.batch, *self.network.inputs)
        target, loss = self.built.targets(self.loss), self.built.loss_function(self.loss)
        load = LoadOptions(given=Inputs((TensorShape(shape),)), batch=self.settings.batch, dtype=self.dtype)
        self.module.train()
        return report_on(
            self.module,
            Settings(loss=lambda y: loss(y, target), optimizer=self.settings.optimizer, load=load),
        )

    def outputs(self, x: Array) -> Array:
        """Run the module in evaluation mode on some hundred examples at a time."""
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
        """Let the module's parameters hold a state inside the context, so that it is read and written in the same layout."""
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
