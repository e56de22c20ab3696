"""A source as something that runs: a PyTorch module, its inputs, its loss and its optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nncost.errors import OptionError
from nncost.frontends.front_end import Runnable
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.registry import front_end_for
from nncost.frontends.torch.inputs import converted, with_rows
from nncost.frontends.torch.step.loss import loss_value
from nncost.frontends.torch.step.named_losses import random_target
from nncost.ir.training.losses import NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.pipeline.settings import Settings, load_options
from nncost.records import record, replace
from nncost.report import Report
from nncost.timing.accelerator import device_of

LossOf = Callable[[Any], torch.Tensor]
"""The loss of a model's output."""


@record
class Subject:
    """What runs. ``given`` are real tensors where the subject was asked for with memory, shapes otherwise.

    ``loss`` is None for a forward pass alone; ``layers`` say which layer of the source each submodule is,
    where their names differ.
    """

    module: nn.Module
    given: Inputs
    options: LoadOptions
    loss: LossOf | None
    optimizer: Any
    layers: dict[str, str]

    def layer(self, path: str) -> str:
        """The name of a submodule's layer in the source."""
        return self.layers.get(path, path)


@contextmanager
def subject_of(source: Any, settings: Settings, *, loss: str, optimizer: str, real: bool) -> Iterator[Subject]:
    """The subject of a source that was counted with that loss and optimizer. Raise an NncostError for what cannot run."""
    options = load_options(source, settings)
    chosen = _optimizer(settings, optimizer)
    front_end = front_end_for(source)
    if not isinstance(front_end, Runnable):
        yield _built(source, options, loss, chosen)
        return
    with front_end.runnable(source, options, real=real) as (module, options):
        yield _of_module(module, options, loss, chosen, real=real)


def trained_with(report: Report) -> dict[str, str]:
    """The names of the loss and the optimizer that a report was made with."""
    return {name: str(report.settings[name]) for name in ("loss", "optimizer")}


def _optimizer(settings: Settings, name: str) -> Any:
    """The optimizer as it was given: an object knows its own settings."""
    if name == NO_OPTIMIZER:
        return None
    given = settings.optimizer
    return name if given is None or isinstance(given, str) else given


def _built(source: Any, options: LoadOptions, name: str, optimizer: Any) -> Subject:
    from nncost.backends.torch import module_of

    training = name != NO_LOSS
    built = module_of(source, replace(options, training=training))
    loss = None
    if training:
        function, target = built.loss_function(name), built.targets(name)

        def loss(output: Any) -> torch.Tensor:
            return function(output, _where(target, output))

    return Subject(built.module, Inputs(built.inputs), options, loss, optimizer, dict(built.layers))


def _where(target: torch.Tensor | None, output: Any) -> torch.Tensor | None:
    """The target on the output's device: a step also runs on tensors without memory."""
    first = output if isinstance(output, torch.Tensor) else output[0]
    return target if target is None or target.device == first.device else torch.empty_like(target, device=first.device)


def _of_module(module: nn.Module, options: LoadOptions, name: str, optimizer: Any, *, real: bool) -> Subject:
    assert options.given is not None
    given = real_inputs(module, options.given, options) if real else options.given
    loss = None if name == NO_LOSS else _Loss(options.steps.loss or name)
    return Subject(module, given, options, loss, optimizer, {})


def real_inputs(module: nn.Module, given: Inputs, options: LoadOptions) -> Inputs:
    """Random tensors for shapes, where the module is: normal numbers, or positions that every table of it has.

    All else is copied.
    """
    device = device_of(module)
    rows = [layer.num_embeddings for layer in module.modules() if isinstance(layer, nn.Embedding)]
    limit = min(rows, default=2)

    def make(shape: Any, dtype: torch.dtype) -> torch.Tensor:
        sizes = tuple(int(size) for size in shape)
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(sizes, dtype=dtype, device=device)
        if dtype is torch.bool:
            return torch.ones(sizes, dtype=dtype, device=device)
        return torch.randint(0, limit, sizes, dtype=dtype, device=device)

    return converted(
        given,
        module,
        options.batch,
        make,
        lambda tensor, shape: with_rows(tensor, shape).detach().clone(),
        copy.deepcopy,
    )


class _Loss:
    """The loss of a module's output, against a target that is made once per device; or the user's own function."""

    def __init__(self, loss: Any) -> None:
        self._loss = loss
        self._targets: dict[str, torch.Tensor] = {}

    def __call__(self, output: Any) -> torch.Tensor:
        if callable(self._loss):
            value = self._loss(output)
            if not isinstance(value, torch.Tensor):
                raise OptionError(f"the loss function returned {type(value).__name__}, not a tensor.")
            return value
        return loss_value(output, self._loss, self._target)

    def _target(self, name: str, output: torch.Tensor) -> torch.Tensor:
        device = str(output.device)
        if device not in self._targets:
            self._targets[device] = random_target(name, output)
        return self._targets[device]
