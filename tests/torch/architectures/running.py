"""A connected graph run on numbers, beside the module itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.load import derived_model
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Parameter
from nncost.ir.training.step import StepGraph, training_step

Array = np.ndarray[Any, Any]


def connected(module: nn.Module, given: Inputs) -> Graph:
    """The forward graph whose backward pass nncost derives."""
    options = LoadOptions(given=given, training=module.training, steps=Training(loss="sum", backward="derived"))
    return derived_model(module, given, options).graph


def name_of(parameter: Parameter) -> str:
    """As the module calls it."""
    return ".".join(part for part in (parameter.path, str(parameter.tensor.name)) if part)


@dataclass(frozen=True)
class Result:
    """An output and the gradients of its sum by parameter; a gradient nobody computes is absent."""

    output: Array
    gradients: Mapping[str, Array]


def run_graph(module: nn.Module, given: Inputs) -> Result:
    """nncost's graph of the step, run on the module's numbers."""
    graph = connected(module, given)
    step: StepGraph = training_step(graph, loss="sum", optimizer="none")
    stored = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    feeds = {p.tensor: stored[name_of(p)].detach().numpy() for p in graph.parameters}
    tensors = [t for t in tree_leaves((given.args, dict(given.kwargs))) if isinstance(t, torch.Tensor)]
    feeds.update(zip(graph.inputs, (t.numpy() for t in tensors), strict=True))
    for tensor in step.graph.inputs:
        feeds.setdefault(tensor, np.ones(()))  # the gradient at the loss
    values = execute(step.graph, feeds)
    gradients = {name_of(parameter): values[tensor] for parameter, tensor in step.gradients.items()}
    return Result(values[graph.outputs[0]], gradients)


def run_module(module: nn.Module, given: Inputs) -> Result:
    """The module itself, and autograd."""
    outputs = module(*given.args, **given.kwargs)
    sums = [t.sum() for t in tree_leaves(outputs) if isinstance(t, torch.Tensor) and t.requires_grad]
    torch.stack(sums).sum().backward()
    gradients = {name: p.grad.numpy() for name, p in module.named_parameters() if p.grad is not None}
    first = next(t for t in tree_leaves(outputs) if isinstance(t, torch.Tensor) and t.requires_grad)
    return Result(first.detach().numpy(), gradients)
