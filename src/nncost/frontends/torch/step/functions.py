"""Functions of PyTorch that do not reach its dispatcher, as a step on fake tensors answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, get_default_nowrap_functions

from nncost.frontends.torch.step.fake_tensors import is_fake, is_made, tensors_in
from nncost.frontends.torch.step.flex_attention import FLEX_ATTENTION, requires_grad, written_out
from nncost.frontends.torch.step.known_values import value_asked
from nncost.frontends.torch.step.signals import NotEqual, ValuesAskedError
from nncost.frontends.torch.step.subclasses import is_named

Answer = Callable[..., Any]
OUTPUT_OF = "_nncost_output_of"
"""The attribute of a tensor that a block returned whose backward pass is repeated, or is an example: the block."""


class StepFunctions(TorchFunctionMode):
    """While it is on, functions that would read a fake tensor's memory use its known values, or ask for a real run."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch._C._is_torch_function_enabled():
            kinds = [kind for kind in types if is_named(kind)] if types else ()
            return (
                self._by_class(kinds, function, types, args, kwargs) if kinds else self.answered(function, args, kwargs)
            )
        result = self.answered(function, args, kwargs)  # inside what a class makes of a function
        kind = next((type(t) for t in tensors_in((args, kwargs)) if is_named(type(t))), torch.Tensor)
        if kind is torch.Tensor or function in get_default_nowrap_functions():
            return result
        return _named(result, kind, (args, kwargs))

    def answered(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A function's result, or what is answered in its place."""
        answer = ANSWERS.get(function)
        return function(*args, **kwargs) if answer is None else answer(function, *args, **kwargs)

    def _by_class(self, kinds: Sequence[Any], function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """What a tensor's own class makes of a function. What it calls comes here again, and has the class's results."""
        with self:
            for kind in kinds:
                result = kind.__torch_function__(function, types, args, kwargs)
                if result is not NotImplemented:
                    return result
        return self.answered(function, args, kwargs)


def _named(result: Any, kind: type[torch.Tensor], arguments: Any) -> Any:
    """New tensors as of a class: PyTorch's own way is closed to tensors without memory."""
    if isinstance(result, (list, tuple)):
        pieces = [_named(piece, kind, arguments) for piece in result]
        return pieces if type(result) is list else tuple(pieces) if type(result) is tuple else result
    if type(result) is not torch.Tensor or not is_fake(result):
        return result
    if any(tensor is result for tensor in tensors_in(arguments)):
        result = torch.ops.aten.alias.default(result)
    try:
        result.__class__ = kind
    except TypeError:  # a class with slots
        raise ValuesAskedError(f"{kind.__name__}.__torch_function__") from None
    return result


def _by_value(function: Any, tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """What a function returns for a tensor's known values. Raise ValuesAskedError if they are not known."""
    if not isinstance(tensor, torch.Tensor) or not is_fake(tensor):
        return function(tensor, *args, **kwargs)
    value = value_asked(tensor)
    if value is None:
        raise ValuesAskedError(f"Tensor.{getattr(function, '__name__', function)}")
    with torch.utils._python_dispatch._disable_current_modes():
        return function(value, *args, **kwargs)


def _made_of(function: Any, content: Any, *args: Any, **kwargs: Any) -> Any:
    """``torch.tensor([x, 2.0])``: the numbers that tensors among a list stand for are asked for."""
    if isinstance(content, torch.Tensor) or not any(map(is_fake, tensors_in(content))):
        return function(content, *args, **kwargs)
    return function(_numbers(content), *args, **kwargs)


def _numbers(content: Any) -> Any:
    if isinstance(content, torch.Tensor):
        return _by_value(torch.Tensor.tolist, content)
    return type(content)(_numbers(item) for item in content) if isinstance(content, (list, tuple)) else content


def _shown(function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> str:
    """A tensor as text: its values if they are known, else its shape."""
    if not is_fake(tensor):
        return str(function(tensor, *args, **kwargs))
    return f"tensor(..., size={tuple(tensor.shape)}, dtype={tensor.dtype})"


def _copied(function: Any, tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
    """A deep copy of a leaf; PyTorch's own copies memory."""
    if not is_fake(tensor) or not tensor.is_leaf:
        return function(tensor, memo)
    if id(tensor) not in memo:
        made = tensor.detach().clone()
        made = type(tensor)(made) if type(tensor) is not torch.Tensor else made
        memo[id(tensor)] = made.requires_grad_(tensor.requires_grad)
    return memo[id(tensor)]


def _looked_at(function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """A hook on a tensor's gradient, or its autograd node. Raise NotEqual for what comes of a block that is repeated."""
    block = getattr(tensor, OUTPUT_OF, None) or _analysed[-1]
    if block is not None:
        raise NotEqual(block)
    return function(tensor, *args, **kwargs)


_analysed: list[Any] = [None]


@contextmanager
def hooks_refused(block: Any) -> Iterator[None]:
    """Meanwhile a block is analysed, whose backward pass must be that of its operators alone."""
    _analysed.append(block)
    try:
        yield
    finally:
        _analysed.pop()


def _set_data(function: Any, tensor: torch.Tensor, value: torch.Tensor) -> None:
    """``x.data = y``: a fake tensor is then as the other. Raise ValuesAskedError for a real one, which would lose its values."""
    if is_fake(value) and not is_fake(tensor):
        raise ValuesAskedError("Tensor.data")
    function(tensor, value)
    if is_made(tensor) and is_made(value):
        tensor._nncost_meta = value._nncost_meta


_Tensor: Any = torch.Tensor
ANSWERS: Mapping[Any, Answer] = {
    **dict.fromkeys((_Tensor.numpy, _Tensor.__array__, _Tensor.tolist, _Tensor.__reduce_ex__), _by_value),
    **dict.fromkeys((torch.tensor, torch.as_tensor), _made_of),
    **dict.fromkeys((_Tensor.__repr__, _Tensor.__format__), _shown),
    _Tensor.__deepcopy__: _copied,
    _Tensor.data.__set__: _set_data,
    _Tensor.requires_grad.__get__: requires_grad,
    **dict.fromkeys((_Tensor.register_hook, _Tensor.retain_grad, _Tensor.grad_fn.__get__), _looked_at),
    FLEX_ATTENTION: written_out,
}
