"""The one dispatch mode of a step: every operator below autograd goes to a consumer, which runs it and notes it.

The mode stands above a FakeTensorMode, so that nothing is computed and no memory is taken; with real
tensors it stands above nothing. Tracing, allocation, recording and observation are consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.model import Inputs
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.control_flow import run_control_flow
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info, refresh
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FastPath
from nncost.frontends.torch.step.loss import trained_outputs
from nncost.frontends.torch.step.provenance import from_inputs
from nncost.frontends.torch.step.symbolic_sizes import Sizes

_NO_OPTIONS: dict[str, Any] = {}
_CPU = torch.device("cpu")
_DEVICE = torch.ops.prim.device.default
_ITEM = torch.ops.aten._local_scalar_dense.default


class Consumer:
    """What a step's operators are used for; each consumer overrides what it needs to see.

    ``hooked``: the consumer follows layers by hooks of its own. ``repeats``: it repeats the results of equal calls
    itself, without PyTorch's cache. ``plain_update``: optimizers run without their fused and foreach forms.

    ``swapped`` is there from :meth:`begin` on, and so are ``fast`` on fake tensors and ``sizes`` if some are symbols.
    """

    hooked = False
    repeats = False
    plain_update = False

    swapped: SwappedParameters
    fast: FastPath | None = None
    sizes: Sizes | None = None

    def __init__(self) -> None:
        self.attribution = Attribution()

    # ---------------------------------------------------------------- the step
    def begin(self, inputs: Inputs) -> None:
        """Parameters are swapped and inputs are made; the module is about to run."""

    def contexts(self) -> Iterable[AbstractContextManager[Any]]:
        """Contexts that forward, loss and backward run in."""
        return ()

    def around_forward(self) -> AbstractContextManager[Any]:
        """A context for the forward pass only."""
        return nullcontext()

    def run_layer(self, layer: nn.Module, path: str, forward: Any, args: Any, kwargs: Any) -> Any:
        """Run one layer; ``attribution`` names it already."""
        return forward(*args, **kwargs)

    def target(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that the loss compares the output with."""
        return from_inputs(tensor)

    def summed(self, output: Any) -> list[torch.Tensor]:
        """The tensors that the loss ``sum`` is taken of."""
        return trained_outputs(output)

    def wanted(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """The tensors whose gradients are asked for, if they are not left in the parameters."""
        return {}

    def forward_ended(self) -> None:
        """The model has returned; its loss follows."""

    def backward_ended(self) -> None:
        """Gradients are there; the update follows, if any."""

    def state_begins(self) -> None:
        """The optimizer makes its state, which is there before the step."""

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """Another tensor of the optimizer's state in that layout."""
        return tensor.clone()

    def state_ended(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer's state is there; its late step follows."""

    def step_ended(self) -> None:
        """The step is over; gradients, and then outputs, are about to be dropped."""

    def finished(self) -> None:
        """Gradients and outputs are dropped; the module is about to be restored."""

    # ---------------------------------------------------------------- operators
    def captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor of a real one that reached an operator."""
        return self.swapped.captured(tensor)

    def decomposition(self, func: Any, info: OperatorInfo) -> Callable[..., Any] | None:
        """What runs in an operator's place, under the mode again; None if the operator runs as a whole."""
        return func.decompose if info.composite else None

    def query(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that asks about a tensor."""
        return self.operation(func, info, args, kwargs)

    def view(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run an operator that returns a view."""
        return self.operation(func, info, args, kwargs)

    def operation(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """Run any other operator."""
        raise NotImplementedError


class StepMode(TorchDispatchMode):
    """Hands every operator to ``consumer``, real tensors among its arguments replaced by ``captured`` (None: kept)."""

    supports_higher_order_operators = True

    def __init__(self, consumer: Consumer, captured: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        super().__init__()
        refresh()
        self.consumer, self.captured = consumer, captured

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or _NO_OPTIONS
        if func is _DEVICE and type(args[0]) is FakeTensor:
            return args[0].fake_device
        if func is _ITEM and self.captured is None and type(args[0]) is FakeTensor:
            return torch.ones((), dtype=args[0].dtype, device=_CPU).item()  # an optimizer's norm: any number does
        if isinstance(func, HigherOrderOperator):
            with self:
                return run_control_flow(func, args, kwargs)
        consumer, info = self.consumer, operator_info(func)
        handling = info.handling
        if handling is Handling.QUERY:
            return consumer.query(func, info, args, kwargs)
        if self.captured is not None:
            args, kwargs = self._without_captured(args, kwargs)
        if info.can_decompose or handling is Handling.DECOMPOSED:
            decomposition = consumer.decomposition(func, info)
            if decomposition is not None:
                with self:
                    result = decomposition(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        if handling is Handling.VIEW:
            return consumer.view(func, info, args, kwargs)
        return consumer.operation(func, info, args, kwargs)

    def _without_captured(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Arguments without real tensors, so that no kernel ever writes to one."""
        for value in args:
            kind = type(value)
            if kind is not FakeTensor and (kind is list or kind is tuple or isinstance(value, torch.Tensor)):
                args = tuple([self._fake(value) for value in args])
                break
        if kwargs:
            kwargs = {name: self._fake(value, name) for name, value in kwargs.items()}
        return args, kwargs

    def _fake(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            if isinstance(value, FakeTensor):
                return value
            assert self.captured is not None
            return self.captured(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self._fake(item) for item in value])
        if name == "device" and value is not None:
            return _CPU
        return None if name == "pin_memory" else value
