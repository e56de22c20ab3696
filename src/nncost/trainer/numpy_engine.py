"""The engine without a framework: the graph that is counted, run by NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from nncost.backends.initial_values import initialise
from nncost.backends.onnx import names_of
from nncost.ir.execute import Program, prepare
from nncost.ir.graph import Graph, Tensor
from nncost.ir.training.optimizers import OPTIMIZERS, step_constants
from nncost.ir.training.step import StepGraph
from nncost.records import record
from nncost.trainer.network import Network
from nncost.trainer.settings import TrainingSettings
from nncost.trainer.tables.table import Array

DROPOUT_STREAM = 2
"""Which of a seed's streams of random numbers dropout draws from."""
EVALUATED = 256
"""Examples per forward pass if no gradient is needed."""


@record
class PreparedStep:
    """A step's graph with its program; states by the position of their parameter."""

    program: Program
    graph: Graph
    step: StepGraph
    inputs: Mapping[int, tuple[Tensor, ...]]


@dataclass(slots=True)
class NumpyEngine:
    """Parameters and optimizer state as arrays, and a program per batch size."""

    network: Network
    settings: TrainingSettings
    dtype: str
    name: str = "numpy"
    parameters: list[Array] = field(default_factory=list)
    states: dict[int, list[Array]] = field(default_factory=dict)
    prepared: dict[int, PreparedStep] = field(default_factory=dict)
    forwards: dict[int, tuple[Program, Graph]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=np.random.default_rng)

    def __post_init__(self) -> None:
        """Initial parameters and states of zeros."""
        graph = self.network.inference(1)
        self.names = list(names_of(graph).values())
        self.parameters = [values.astype(self.dtype) for values in initialise(graph, self.settings.seed).values()]
        kept = len(OPTIMIZERS[self.settings.optimizer].states)
        positions = self.prepare_for(self.settings.batch).inputs
        self.states = {p: [np.zeros_like(self.parameters[p]) for _ in range(kept)] for p in positions}

    def _draw(self, shape: tuple[int, ...]) -> Array:
        return self.random.random(shape)

    def prepare_for(self, batch: int) -> PreparedStep:
        """Return the program of a step of that many examples, which is prepared once."""
        if batch not in self.prepared:
            step = self.network.step(batch).step
            program = prepare(step.graph, self._draw, dtype=self.dtype, update_buffers=True)
            position = {parameter: number for number, parameter in enumerate(step.graph.parameters)}
            rule = OPTIMIZERS[self.settings.optimizer]
            given = iter(step.graph.inputs[2:])  # Behind the examples and their targets.
            inputs = {position[p]: tuple(next(given) for _ in rule.states) for p in step.gradients}
            self.prepared[batch] = PreparedStep(program, step.graph, step, inputs)
        return self.prepared[batch]

    def feeds(self, prepared: PreparedStep, x: Array, target: Array) -> dict[Tensor, Array]:
        """The inputs of a step's graph: batch, parameters and states."""
        feeds = dict(zip(prepared.graph.inputs[:2], (x, target), strict=True))
        feeds |= dict(zip((p.tensor for p in prepared.graph.parameters), self.parameters, strict=True))
        for position, tensors in prepared.inputs.items():
            feeds.update(zip(tensors, self.states[position], strict=True))
        return feeds

    def step(self, x: Array, target: Array, number: int) -> float:
        """Run the joint graph once and keep the new parameters and states."""
        prepared = self.prepare_for(len(x))
        self.random = np.random.default_rng([self.settings.seed, DROPOUT_STREAM, number])
        constants = step_constants(self.settings.learning_rate, number)
        with np.errstate(all="ignore"):
            values = prepared.program.run(self.feeds(prepared, x, target), constants)
        step, parameters = prepared.step, prepared.graph.parameters
        for position in prepared.inputs:
            self.parameters[position] = values[step.updated[parameters[position]]]
            self.states[position] = [values[tensor] for tensor in step.states[parameters[position]]]
        assert step.loss is not None
        return float(values[step.loss])

    def outputs(self, x: Array) -> Array:
        """Run the forward graph on some hundred examples at a time."""
        with np.errstate(all="ignore"):
            return np.concatenate([self._forward(x[i : i + EVALUATED]) for i in range(0, len(x), EVALUATED)])

    def _forward(self, x: Array) -> Array:
        if len(x) not in self.forwards:
            graph = self.network.inference(len(x))
            self.forwards[len(x)] = prepare(graph, self._draw, dtype=self.dtype), graph
        program, graph = self.forwards[len(x)]
        feeds = dict(zip((p.tensor for p in graph.parameters), self.parameters, strict=True))
        return program.run({graph.inputs[0]: x} | feeds)[graph.outputs[0]]

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Run on copies of the parameters inside the context: running averages are written in place."""
        own = self.parameters
        self.parameters = [values.copy() for values in own]
        try:
            yield
        finally:
            self.parameters = own

    def values(self) -> dict[str, Array]:
        """Copies of parameters and buffers."""
        return {name: values.copy() for name, values in zip(self.names, self.parameters, strict=True)}

    def state(self) -> dict[str, Array]:
        """Copies of the optimizer's states, named after their parameter."""
        kinds = OPTIMIZERS[self.settings.optimizer].states
        return {
            f"{self.names[position]}/{kind}": array.copy()
            for position, arrays in self.states.items()
            for kind, array in zip(kinds, arrays, strict=True)
        }

    def restore(self, values: Mapping[str, Array], state: Mapping[str, Array]) -> None:
        """Overwrite parameters and states with those of a checkpoint."""
        kinds = OPTIMIZERS[self.settings.optimizer].states
        self.parameters = [values[name].astype(self.dtype) for name in self.names]
        self.states = {p: [state[f"{self.names[p]}/{kind}"].astype(self.dtype) for kind in kinds] for p in self.states}
