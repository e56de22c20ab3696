"""The one dispatch mode of a step: every operator below autograd goes to a consumer, which runs it and notes it.

On fake tensors nothing is computed and no memory is taken. Tracing, allocation, recording and observation are
consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.model import Inputs
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.control_flow import run_control_flow
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info, refresh
from nncost.frontends.torch.step.distributed import is_tensor_parallel
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FakeTensors, is_fake, move, moved_to, tensors_in
from nncost.frontends.torch.step.interrupts import Interrupts
from nncost.frontends.torch.step.known_values import KnownValues
from nncost.frontends.torch.step.leaves import AutogradGraph
from nncost.frontends.torch.step.loss import trained_outputs
from nncost.frontends.torch.step.nested import run_on_pieces, takes_pieces
from nncost.frontends.torch.step.provenance import from_inputs, keep_stored, stored_values
from nncost.frontends.torch.step.signals import NEEDS_VALUES, StoredAskedError, ValuesAskedError
from nncost.frontends.torch.step.sparsity import (
    BAG_BACKWARD,
    PARTS,
    is_about_sparse,
    is_sparse,
    sparse_bag,
    stored_in_result,
)
from nncost.frontends.torch.step.subclasses import has_own_operators, unseen_operator
from nncost.frontends.torch.step.symbolic_sizes import Sizes
from nncost.frontends.torch.step.vision_kernels import vision_kernel

_NO_OPTIONS: dict[str, Any] = {}
_CPU = torch.device("cpu")
_DEVICE = torch.ops.prim.device.default
_FAKE_MODE = torch._C._TorchDispatchModeKey.FAKE
_FREE = {Handling.QUERY, Handling.VIEW}
_COPIES = {"aten::clone", "aten::_to_copy", "aten::copy", "aten::empty_like", "aten::new_empty", "aten::zeros_like"}
_ITEM = torch.ops.aten._local_scalar_dense.default


class Consumer:
    """What a step's operators are used for; each consumer overrides what it needs to see.

    ``hooked``: the consumer follows layers by hooks of its own. ``repeats``: it repeats the results of equal calls
    itself, without PyTorch's cache. ``plain_update``: optimizers run without their fused and foreach forms.

    ``swapped`` is there from :meth:`begin` on, and so are ``fast`` on fake tensors without symbols among their sizes,
    ``sizes`` if there are symbols, and ``of_loss``, the tensors that the loss holds, such as a target in its closure.
    """

    hooked = False
    repeats = False
    plain_update = False

    swapped: SwappedParameters
    fast: FakeTensors | None = None
    sizes: Sizes | None = None
    of_loss: Sequence[torch.Tensor] = ()
    compute: Callable[[Any, Any, Any], Any]
    """``compute(operator, args, kwargs)`` runs an operator: on fake tensors it tells the results' shapes."""

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

    def forward_ended(self) -> None:
        """The model has returned; its loss follows."""

    def backward_begins(self, graph: AutogradGraph) -> None:
        """The graph of the loss is known; gradients are about to be computed."""

    def graph_dropped(self) -> None:
        """The backward pass is over, or has raised: whoever holds its graph lets it go, which Python could not find."""

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
    """Hands every operator to ``consumer``, real tensors among its arguments replaced by ``captured`` (None: kept).

    ``fakes`` run the operators; without them, the step is on real tensors. ``refused`` is the last operator that
    asked for values where there are none.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled during a step: PyTorch's guard against that, around every operator, is not needed."""
        return False

    def __init__(
        self,
        consumer: Consumer,
        fakes: FakeTensors | None,
        captured: Callable[[torch.Tensor], torch.Tensor] | None = None,
        interrupts: Interrupts | None = None,
    ) -> None:
        super().__init__()
        refresh()
        self.consumer, self.captured, self.values = consumer, captured, KnownValues(lambda: consumer.sizes)
        self.threads = consumer.attribution.threads
        self.refused: Any = None
        self.ended = False
        self._interrupts = interrupts or Interrupts()
        self._moves = False
        self._arrived = 0
        self._outer = torch._C._get_dispatch_mode(_FAKE_MODE)
        self._fakes = fakes
        consumer.compute = _computed if fakes is None else self._computed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch._C._get_dispatch_mode(_FAKE_MODE) is not self._outer:
            return func(*args, **(kwargs or {}))  # PyTorch works out a shape, as DTensor does
        if func is _DEVICE and is_fake(args[0]):
            return moved_to(args[0]) if self._moves else _CPU
        if not self.threads.started:
            return self._dispatched(func, types, args, kwargs)
        if self.ended:  # a thread has outlived the step
            return func(*args, **(kwargs or {}))
        with self.threads.turn():
            return self._dispatched(func, types, args, kwargs)

    def _dispatched(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if types and any(map(has_own_operators, types)):
            if any(map(is_tensor_parallel, types)):
                return NotImplemented  # PyTorch takes it apart, and what it calls comes here
            return self._by_class(func, types, args, kwargs or {})
        kwargs = kwargs or _NO_OPTIONS
        if isinstance(func, HigherOrderOperator):
            with self:
                return run_control_flow(func, args, kwargs)
        self._arrived += 1
        if self._interrupts.waiting:
            self._interrupts.arrive()
        info, asked = operator_info(func), kwargs.get("device")
        if info.nested or (self._fakes is None and takes_pieces(args, kwargs)):
            return self._on_nested(func, info, args, kwargs)
        if self.captured is not None and info.handling is not Handling.QUERY:
            args, kwargs = self._without_captured(args, kwargs)
        result = self._handed_on(func, info, args, kwargs)
        if asked is not None and self._fakes is not None:
            self._moves |= move(result, asked)
        attribution = self.consumer.attribution
        if self._fakes is not None and self.captured is not None and (not attribution.in_backward or attribution.depth):
            self.values.note(func, info, args, kwargs, result)
        return result

    def _on_nested(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """An operator on nested tensors, on real ones. Raise ValuesAskedError on fake ones."""
        if self._fakes is not None:
            self.refused = func
            raise ValuesAskedError(str(func))
        if not info.nested:  # those of nested tensors only lay values side by side, or tell where they are
            with self:
                run_on_pieces(func, info, args, kwargs)
        return func(*args, **kwargs)

    def _by_class(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """What the tensors' class makes of an operator: what it calls comes here. Raise SourceError if nothing does."""
        before = self._arrived
        with self:
            for kind in filter(has_own_operators, types):
                result = kind.__torch_dispatch__(func, types, args, kwargs)
                if result is NotImplemented:
                    continue
                if self._arrived == before and not _is_free(operator_info(func)):
                    raise unseen_operator(kind, func)
                return result
        return NotImplemented

    def _handed_on(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        consumer, handling = self.consumer, info.handling
        if handling is Handling.QUERY:
            return consumer.query(func, info, args, kwargs)
        if info.can_decompose or handling is Handling.DECOMPOSED or func is BAG_BACKWARD:
            decomposition = sparse_bag if func is BAG_BACKWARD else consumer.decomposition(func, info)
            if decomposition is not None:
                with self:
                    result = decomposition(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        if handling is Handling.VIEW:
            return consumer.view(func, info, args, kwargs)
        return consumer.operation(func, info, args, kwargs)

    def _computed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operator on fake tensors; of known values, if it depends on these."""
        assert self._fakes is not None
        if self.captured is None and not any(map(is_fake, tensors_in((args, kwargs)))):
            return func(*args, **kwargs)  # an optimizer's number of steps
        info = operator_info(func)
        if is_about_sparse(info, args, kwargs):
            return self._on_sparse(func, info, args, kwargs)
        if info.by_data:
            result = self.values.computed(func, args, kwargs)
            if result is not NotImplemented:
                return self._fakes.in_place_of(result)
            if func is _ITEM and self.captured is None:
                return torch.ones((), dtype=args[0].dtype, device=_CPU).item()  # an optimizer's norm: any number does
        try:
            return self._fakes.compute(func, args, kwargs, self._way_to_run(func, args))
        except NEEDS_VALUES:  # also of a composite that is not marked so, such as is_nonzero
            result = self.values.computed(func, args, kwargs) if info.composite else NotImplemented
            if result is NotImplemented:
                self.refused = func
                raise
            return self._fakes.in_place_of(result)

    def _on_sparse(self, func: Any, info: OperatorInfo, args: Any, kwargs: Any) -> Any:
        """An operator on sparse tensors. Raise StoredAskedError where it is not known how many values its result stores."""
        assert self._fakes is not None
        values = self.values.computed(func, args, kwargs) if not info.written else NotImplemented
        if values is not NotImplemented:
            return self._of_values(values)
        if info.name in PARTS and args[0]._nnz() != stored_values(args[0]):
            raise self._stored_asked(func)
        try:
            result = self._fakes.compute(func, args, kwargs, self._way_to_run(func, args))
        except (RuntimeError, NotImplementedError, TypeError) as error:
            raise self._stored_asked(func) from error
        for tensor in filter(is_sparse, tensors_in(result)):
            stored = stored_in_result(info, args, kwargs)
            if stored is None:
                raise self._stored_asked(func)
            keep_stored(stored, tensor)
        return result

    def _of_values(self, value: Any) -> Any:
        """Fake tensors for values, which they keep."""
        assert self._fakes is not None
        if isinstance(value, (list, tuple)):
            return type(value)([self._of_values(piece) for piece in value])
        if not isinstance(value, torch.Tensor):
            return value
        if not is_sparse(value):
            return self._fakes.in_place_of(value)
        made = keep_stored(stored_values(value), self._fakes.like(value))
        made._nncost_value = value
        return made

    def _stored_asked(self, func: Any) -> StoredAskedError:
        self.refused = func
        return StoredAskedError(str(func))

    def _way_to_run(self, func: Any, args: Any) -> Callable[..., Any] | None:
        """How an operator is called that has no kernel, or takes sizes that are symbols; None for the usual way."""
        kernel, sizes = vision_kernel(func, args), self.consumer.sizes
        if kernel is not None or sizes is None:
            return kernel
        return lambda *args, **kwargs: sizes.run(func, operator_info(func).name, args, kwargs)

    def _without_captured(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Arguments without real tensors, so that no kernel ever writes to one."""
        for value in args:
            if (isinstance(value, torch.Tensor) and not is_fake(value)) or isinstance(value, (list, tuple)):
                args = tuple([self._fake(value) for value in args])
                break
        if kwargs:
            kwargs = {name: self._fake(value, name) for name, value in kwargs.items()}
        return args, kwargs

    def _fake(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            if is_fake(value):
                return value
            assert self.captured is not None
            return self.captured(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self._fake(item) for item in value])
        if name == "device" and value is not None:
            return _CPU
        return None if name == "pin_memory" else value


def _computed(func: Any, args: Any, kwargs: Any) -> Any:
    """The result of an operator on real tensors."""
    return (vision_kernel(func, args) or func)(*args, **kwargs)


def _is_free(info: OperatorInfo) -> bool:
    """Whether an operator may run nothing, whoever runs it."""
    return info.handling in _FREE or info.nested or info.name in _COPIES
