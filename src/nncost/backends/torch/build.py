"""``module_of``: any graph as a PyTorch module with real parameters, example inputs and losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from nncost.backends.initial_values import initialise, random_inputs
from nncost.backends.torch.compiling import Compiler
from nncost.backends.torch.core_ops import dtype_of
from nncost.backends.torch.losses import TorchLoss, loss_function
from nncost.backends.torch.parameter_map import ParameterMap
from nncost.backends.torch.repetitions import repeat
from nncost.dims import is_symbolic
from nncost.errors import SourceError, SymbolError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.ir.graph import Graph, Parameter
from nncost.ir.layers import Softmax
from nncost.ir.training.losses import LOSSES, final_softmax
from nncost.records import record

Array = Any


@record
class Built:
    """A network as a module.

    ``inputs`` are example tensors at the graph's batch; ``layers`` say which layer of the graph each
    submodule is (repetitions share one). Without ``training`` the module is in evaluation mode.
    """

    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    graph: Graph
    layers: Mapping[str, str]
    seed: int
    parameter_map: ParameterMap

    def values(self) -> dict[Parameter, Array]:
        """Parameters and buffers as they are now, in the graph's layout."""
        return self.parameter_map.values()

    def set_values(self, values: Mapping[Parameter, Array]) -> None:
        """Overwrite parameters and buffers. Raise ShapeError for numbers of another shape."""
        self.parameter_map.set_values(values)

    def loss_function(self, name: str) -> TorchLoss:
        """``loss(output, target)`` with the meaning that counts give the name; the output is the module's own."""
        return loss_function(name, probabilities=self._class_axis())

    def _class_axis(self) -> int | None:
        """The axis of the softmax that the network ends in; None for another ending."""
        ending = final_softmax(self.graph)
        return None if ending is None else ending.settings(Softmax).axis

    def targets(self, loss: str) -> torch.Tensor | None:
        """An example target for a loss; None for one that takes none."""
        output, generator = self.graph.outputs[0], torch.Generator().manual_seed(self.seed)
        shape = cast("tuple[int, ...]", output.shape)
        kind = LOSSES[loss].target
        if kind == "classes":
            axis = self._class_axis()
            axis = len(shape) - 1 if axis is None else axis
            return torch.randint(0, shape[axis], (*shape[:axis], *shape[axis + 1 :]), generator=generator)
        if kind == "nothing":
            return None
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype_of(output.dtype))


def module_of(source: str | Graph, options: LoadOptions | None = None, *, seed: int = 0) -> Built:
    """The module of a spec, of a file that holds a graph, or of a graph itself.

    Raise SourceError for a source without a graph to run or with an operation that cannot be run,
    SymbolError if a size has no number.
    """
    chosen = options or LoadOptions()
    graph = source if isinstance(source, Graph) else _graph_of(source, chosen)
    _check(graph)
    try:
        compiler = Compiler(graph, ParameterMap(initialise(graph, seed)), repeat)
        module = compiler.network()
    except (RuntimeError, MemoryError) as error:
        raise SourceError(f"PyTorch cannot build the network: {error}") from None
    module.train(chosen.training)
    return Built(module, example_inputs(graph, seed), graph, compiler.tree.layers, seed, compiler.parameter_map)


def _graph_of(source: str, options: LoadOptions) -> Graph:
    model = registry.load(source, options)
    if model.trace is not None or not model.graph.outputs:
        raise SourceError(
            f"{source!r} is of the kind {model.kind}, which holds no graph to run.",
            hint="Accepted: a spec such as 784-16-10, or an ONNX file.",
        )
    return model.graph


def _check(graph: Graph) -> None:
    """Raise SymbolError for a size that is a symbol."""
    tensors = (*graph.inputs, *(parameter.tensor for parameter in graph.parameters), *graph.outputs)
    for tensor in tensors:
        for dim in tensor.shape:
            if is_symbolic(dim):
                raise SymbolError(
                    f"cannot run a network whose size {dim} is a symbol.",
                    hint="Bind it, e.g. --symbol h=128 or --batch 32.",
                )


def example_inputs(graph: Graph, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """A tensor per input: normal numbers, or indices that every table they are looked up in has."""
    return tuple(torch.from_numpy(a).to(dtype_of(x.dtype)) for x, a in random_inputs(graph, seed).items())
