"""Observe a module as other tools see it: its layers' calls, the functions it calls, the operators that run.

The tools that conventions reproduce hang hooks on layers and replace functions of PyTorch by ones
that count, and what they see depends on it: ``x.matmul(y)`` is seen where ``x @ y`` is not. So the
observer does the same, for one run on stand-ins, for its own thread alone, and puts everything back
however the run ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.nn.parameter import is_lazy

from nncost.errors import SourceError
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.inputs import check_names, concrete, converted, has_values
from nncost.frontends.torch.observation.observer_mode import Watcher, replaced
from nncost.frontends.torch.observation.plain_data import layers_of, modules_of, plain
from nncost.frontends.torch.step.fake_module import layer_names, with_swapped
from nncost.frontends.torch.step.loss import loss_value, own_loss, primary
from nncost.ir.observed import LayerCall, Look, Observed


def observe(module: nn.Module, options: LoadOptions, look: Look) -> Observed:
    """Run the module once and note what a tool with that look sees. Raises what the module raises."""
    given = options.given
    if given is None:
        raise SourceError(f"a {type(module).__name__} needs its inputs.", hint="For example: --input 1x3x224x224")
    check_names(given, module)
    try:
        return _run(module, given, options, look, FakeTensorMode(allow_non_fake_inputs=True))
    except (DataDependentOutputException, DynamicOutputShapeException):
        if not has_values(given):
            raise
        return _run(module, given, options, look, None)


def _run(module: nn.Module, given: Inputs, options: LoadOptions, look: Look, mode: FakeTensorMode | None) -> Observed:
    fakes = _Fakes(mode)
    watcher = Watcher(fakes.of_tensor if mode is not None else None)
    training = False if look.evaluates or not options.training else (None if module.training else True)
    # With gradients, PyTorch fuses attention only where nothing is learned; without them the observer must ask.
    fused = torch.backends.mha.get_fastpath_enabled() and not (look.composed and _learns(module))
    wrap = None if look.hooked else watcher.around

    def convert(tensor: torch.Tensor, _: str, learned: bool) -> torch.Tensor:
        return fakes.learned(tensor, learned)

    with with_swapped(module, convert, training=training, wrap=wrap, plain=fakes.of_tensor):
        layers = layers_of(module)
        arguments = converted(given, module, options.batch, fakes.of_shape, fakes.of_tensor)
        for layer, name in layer_names(module).items():
            for parameter in layer.parameters(recurse=False):
                watcher.owners[id(parameter)] = name
        with ExitStack() as stack:
            torch.backends.mha.set_fastpath_enabled(fused)  # The swapped puts it back.
            if look.hooked:
                stack.enter_context(_hooks(module, watcher))
            stack.enter_context(replaced(look.functions, watcher))
            if mode is not None:
                stack.enter_context(mode)
            stack.enter_context(watcher)
            stack.enter_context(torch.inference_mode() if look.composed else torch.enable_grad())
            output = module(*arguments.args, **arguments.kwargs)
            if look.backward:
                _run_backward(watcher, output, options)
    events = watcher.used_by(output) if look.composed else watcher.events
    return Observed(layers, tuple(events))


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


@contextmanager
def _hooks(module: nn.Module, watcher: Watcher) -> Iterator[None]:
    """Hooks on every layer; the swapped takes them off as well."""
    handles = []

    def enter(path: str) -> Any:
        def before(layer: nn.Module, args: Any) -> None:
            watcher.stack.append(path)

        return before

    def leave(path: str) -> Any:
        def after(layer: nn.Module, args: Any, output: Any) -> None:
            watcher.stack.pop()
            watcher.events.append(LayerCall(path, plain(args), plain(output)))

        return after

    for layer, path in modules_of(module).items():
        if not isinstance(layer, torch.jit.ScriptModule):
            handles.append(layer.register_forward_pre_hook(enter(path)))
            handles.append(layer.register_forward_hook(leave(path)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _run_backward(watcher: Watcher, output: Any, options: LoadOptions) -> None:
    """The loss that was asked for and the gradients, if any was."""
    loss, optimizer = options.steps.loss, options.steps.optimizer
    if loss is None and optimizer not in (None, "none"):
        loss = "own" if own_loss(output) is not None else "squared_error"
    if loss in (None, "none"):
        return
    watcher.phase = "loss"
    if loss == "sum":
        tensor = primary(output)
        torch.autograd.backward([tensor], [torch.ones_like(tensor)])
    else:
        loss_value(output, loss).backward()


class _Fakes:
    """Shapes without storage in place of tensors, or copies where values are needed."""

    def __init__(self, mode: FakeTensorMode | None) -> None:
        self._mode = mode
        self._known: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def learned(self, tensor: torch.Tensor, learned: bool) -> torch.Tensor:
        """A parameter's or a buffer's."""
        made = self._like(tensor)
        if learned:
            made._is_param = True
            made.requires_grad_(tensor.requires_grad)
        return made

    def of_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """Of any other tensor; one tensor has one stand-in."""
        if id(tensor) not in self._known:
            self._known[id(tensor)] = (tensor, self._like(tensor))
        return self._known[id(tensor)][1]

    def of_shape(self, shape: Any, dtype: torch.dtype) -> torch.Tensor:
        """Of a shape."""
        if self._mode is None:
            return torch.empty(concrete(shape), dtype=dtype)
        with self._mode:
            return torch.empty(concrete(shape), dtype=dtype)

    def _like(self, tensor: torch.Tensor) -> torch.Tensor:
        if is_lazy(tensor):
            raise SourceError("the module has lazy parameters without a shape.", hint="Call it once on real data.")
        if self._mode is None:
            return tensor.detach().clone()
        if tensor.layout is not torch.strided or tensor.is_quantized:
            return self._mode.from_tensor(tensor.detach())
        with self._mode:
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
