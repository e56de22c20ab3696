"""A module's arguments: given as tensors or shapes, turned into fake tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from nncost.dims import Dim, Shape, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.model import Inputs, TensorShape

INTEGER_NAMES = ("ids", "tokens", "indices", "index", "idx", "labels", "target")
"""Names whose shapes stand for whole numbers when no type is given."""


def dtype_named(name: str) -> torch.dtype:
    """PyTorch's type of that name. Raise ShapeError with the names accepted."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ShapeError(f"unknown type {name!r} of an input", hint="For example: --input ids=1x128:int64")
    return found


def floating_dtype(module: nn.Module) -> torch.dtype:
    """The type of the module's first floating-point parameter."""
    floating = (parameter.dtype for parameter in module.parameters() if parameter.dtype.is_floating_point)
    return next(floating, torch.get_default_dtype())


def has_values(inputs: Inputs) -> bool:
    """Whether every tensor among the arguments is real."""
    leaves = list(_leaves((inputs.args, dict(inputs.kwargs))))
    tensors = [leaf for leaf in leaves if isinstance(leaf, (torch.Tensor, TensorShape))]
    return bool(tensors) and all(isinstance(t, torch.Tensor) and t.device.type != "meta" for t in tensors)


def tensors_of(inputs: Inputs) -> list[torch.Tensor]:
    """The tensors among the arguments."""
    return [leaf for leaf in tree_leaves((inputs.args, dict(inputs.kwargs))) if isinstance(leaf, torch.Tensor)]


def described(inputs: Inputs, module: nn.Module, batch: Dim | None = None) -> dict[str, Shape]:
    """The shape of every tensor among the arguments by name, with ``batch`` in place of the given number of examples."""
    names = _parameter_names(module)
    result: dict[str, Shape] = {}
    for position, value in enumerate(inputs.args):
        _describe(names[position] if position < len(names) else f"input.{position}", value, result)
    for name, value in inputs.kwargs.items():
        _describe(name, value, result)
    return {name: _with_batch(shape, batch_of(result), batch) for name, shape in result.items()}


def converted(
    inputs: Inputs,
    module: nn.Module,
    batch: Dim | None,
    make: Callable[[Shape, torch.dtype], torch.Tensor],
    fake: Callable[[torch.Tensor, Shape], torch.Tensor],
    keep: Callable[[Any], Any],
) -> Inputs:
    """The arguments: ``make(shape, dtype)`` for every shape, ``fake(tensor, shape)`` for every tensor, ``keep`` for others.

    With ``batch`` every leading size that is the given number of examples becomes that one. A tensor given twice is one.
    """
    names, floating = _parameter_names(module), floating_dtype(module)
    examples = batch_of(described(inputs, module))
    tensors: dict[int, torch.Tensor] = {}

    def tensor(value: torch.Tensor) -> torch.Tensor:
        given = shape_of(value)
        shape = _with_batch(given, examples, batch)
        if shape != given and value.is_nested:
            raise ShapeError("a nested tensor has its own number of pieces; leave out the batch.")
        return fake(value, shape)

    def convert(value: Any, name: str) -> Any:
        if isinstance(value, TensorShape):
            shape = _with_batch(value.shape, examples, batch)
            default = torch.int64 if _is_integer_name(name) else floating
            return make(shape, dtype_named(value.dtype) if value.dtype else default)
        if isinstance(value, torch.Tensor):
            if id(value) not in tensors:
                tensors[id(value)] = tensor(value)
            return tensors[id(value)]
        if isinstance(value, Mapping):
            return {key: convert(item, str(key)) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(convert(item, name) for item in value))
        if isinstance(value, (list, tuple)):
            return type(value)(convert(item, name) for item in value)
        return keep(value)

    args = tuple(
        convert(value, names[position] if position < len(names) else "") for position, value in enumerate(inputs.args)
    )
    return Inputs(args, {name: convert(value, name) for name, value in inputs.kwargs.items()})


def with_rows(tensor: torch.Tensor, shape: Shape) -> torch.Tensor:
    """A tensor of that shape: the rows of a given one again and again, if there are to be more or fewer."""
    if shape == shape_of(tensor):
        return tensor
    if not len(tensor):
        return tensor.new_zeros(concrete(shape))
    return tensor.detach()[torch.arange(concrete(shape)[0]) % len(tensor)].requires_grad_(tensor.requires_grad)


def takes_nothing(module: nn.Module) -> bool:
    """Whether the module's forward has no parameters at all."""
    signature = _signature(module)
    return signature is not None and not signature.parameters


def check_names(inputs: Inputs, module: nn.Module) -> None:
    """Raise SourceError if the module's forward cannot take the arguments."""
    signature = _signature(module)
    if signature is None:
        return
    try:
        signature.bind(*inputs.args, **inputs.kwargs)
    except TypeError as error:
        accepted = ", ".join(str(parameter) for parameter in signature.parameters.values())
        raise SourceError(
            f"{type(module).__name__}.forward does not take these inputs: {error}.",
            hint=f"It accepts ({accepted[:300]}). For example: --input {_example(signature)}",
        ) from None


def _with_batch(shape: Shape, examples: Dim, batch: Dim | None) -> Shape:
    return (batch, *shape[1:]) if batch is not None and shape and shape[0] == examples else shape


def shape_of(tensor: torch.Tensor) -> Shape:
    """A tensor's shape; of a nested one the number of its pieces, and the largest of each size of theirs."""
    if not tensor.is_nested:
        return tuple(tensor.shape)
    shapes = [tuple(piece.shape) for piece in tensor.unbind()]
    return (len(shapes), *(max(sizes) for sizes in zip(*shapes, strict=True)))


def batch_of(shapes: Mapping[str, Shape]) -> Dim:
    """The number of examples: the first size of the first input."""
    first = next((shape for shape in shapes.values() if shape), (1,))
    return first[0]


def _example(signature: inspect.Signature) -> str:
    name = next(iter(signature.parameters), "x")
    return f"{name}=1x128:int64" if _is_integer_name(name) else f"{name}=1x3x224x224"


def _is_integer_name(name: str) -> bool:
    return any(name == known or name.endswith(f"_{known}") for known in INTEGER_NAMES)


def _parameter_names(module: nn.Module) -> list[str]:
    signature = _signature(module)
    parameters = () if signature is None else signature.parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _signature(module: nn.Module) -> inspect.Signature | None:
    """The arguments of the module's forward; None where Python does not know them."""
    try:
        return inspect.signature(module.forward)
    except (TypeError, ValueError):
        return None


def _describe(name: str, value: Any, result: dict[str, Shape]) -> None:
    if isinstance(value, (TensorShape, torch.Tensor)):
        result[name] = value.shape if isinstance(value, TensorShape) else shape_of(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _describe(f"{name}.{key}", item, result)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            _describe(f"{name}.{position}", item, result)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, (list, tuple)) and not isinstance(value, str):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def concrete(shape: Shape) -> tuple[int, ...]:
    """A shape of whole numbers. Raise ShapeError for a symbol."""
    if any(is_symbolic(dim) for dim in shape):
        raise ShapeError(f"{shape_text(shape)} has symbols")
    return tuple(int(dim) for dim in shape)
