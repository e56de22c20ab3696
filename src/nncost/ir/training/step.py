"""One training step as a graph: forward, loss, derived backward, gradient accumulation, update."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.graph import Graph, Parameter, Tensor
from nncost.ir.layers import Operation, Update
from nncost.ir.training.losses import NO_LOSS, emit_loss
from nncost.ir.training.optimizers import NO_OPTIMIZER, OPTIMIZERS
from nncost.records import field, record


@record
class StepGraph:
    """The joint graph, and which of its tensors are what.

    ``gradients``, ``updated`` and ``states`` are by parameter; without a loss they are empty.
    """

    graph: Graph
    loss: Tensor | None = None
    gradients: dict[Parameter, Tensor] = field(default_factory=dict)
    updated: dict[Parameter, Tensor] = field(default_factory=dict)
    states: dict[Parameter, tuple[Tensor, ...]] = field(default_factory=dict)


def training_step(model: Graph, *, loss: str, optimizer: str, accumulate: int = 1) -> StepGraph:
    """The graph of one micro-batch with its loss and backward, and of one update.

    Frozen parameters and buffers receive no gradient and no update.
    """
    if loss == NO_LOSS:
        return StepGraph(model)
    b = Builder(dtype=model.outputs[0].dtype, training=True)
    b.inputs = list(model.inputs)
    b.parameters = list(model.parameters)
    value, seeds = emit_loss(b, loss, model, accumulate)
    trained = {p.tensor: p for p in model.parameters if p.trainable}
    found, forward = differentiate(b, model.items, seeds, {t: p.path for t, p in trained.items()})
    b.items[:0] = forward
    gradients = {trained[tensor]: gradient for tensor, gradient in found.items()}
    step = StepGraph(b.graph(), value, gradients)
    if optimizer != NO_OPTIMIZER:
        _emit_updates(b, step, optimizer)
    outputs = (*model.outputs, value, *gradients.values(), *step.updated.values())
    outputs += tuple(state for states in step.states.values() for state in states)
    graph = Graph(tuple(b.inputs), model.parameters, outputs, tuple(b.items))
    return StepGraph(graph, value, gradients, step.updated, step.states)


def _emit_updates(b: Builder, step: StepGraph, optimizer: str) -> None:
    rule = OPTIMIZERS[optimizer]
    for parameter, gradient in step.gradients.items():
        p = parameter.tensor
        with b.at(parameter.path, "update"):
            states = [b.input(p.shape, dtype=p.dtype, name=name) for name in rule.states]
            with b.region(Update(optimizer), p, gradient, *states) as region:
                new, new_states = rule.update(b, p, gradient, states)
                region.returns(new, *new_states)
            step.updated[parameter] = new
            step.states[parameter] = tuple(new_states)


def accumulation_graph(gradients: Sequence[tuple[Parameter, Tensor]]) -> Graph:
    """The additions that one further micro-batch costs: its gradients added to those gathered so far."""
    b = Builder()
    for parameter, gradient in gradients:
        with b.at(parameter.path, "backward"):
            shape, dtype = gradient.shape, gradient.dtype
            fresh, gathered = b.input(shape, dtype=dtype), b.input(shape, dtype=dtype)
            with b.region(Operation("accumulate"), gathered, fresh) as region:
                region.returns(b.map("add", gathered, fresh))
    outputs = [item.outputs[0] for item in b.items]
    return b.graph(*outputs)
