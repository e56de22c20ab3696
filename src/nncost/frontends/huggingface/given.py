"""What the caller gave, by the model's own names of its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, shape_text, substitute, symbol
from nncost.errors import OptionError, SymbolError
from nncost.frontends.huggingface.names import dtype_of, full_name
from nncost.frontends.model import LoadOptions, TensorShape

AXES = {
    2: "1x512, batch x length",
    3: "1x80x3000, batch x bins x frames",
    4: "1x3x224x224, batch x channels x height x width",
    5: "1x16x3x224x224, batch x frames x channels x height x width",
}


def given_inputs(
    module: Any, options: LoadOptions, main: str, accepted: list[str], ranks: Mapping[str, int]
) -> dict[str, Any]:
    """Shapes with their types, tensors and plain values; symbols are bound and the batch is in place.

    ``ranks`` says how many sizes an input has. Raises OptionError for an input that the model does
    not have, that comes twice or that has another rank, SymbolError for a binding without a symbol.
    """
    found: dict[str, Any] = {}
    symbols: set[str] = set()
    for given, value in _named(options, inspect.signature(module.forward).parameters):
        is_tensor = hasattr(value, "shape")
        name = full_name(given, main, accepted) if is_tensor else given
        if name in found:
            raise OptionError(f"the input {name} is given twice.")
        if is_tensor:
            _check_shape(name, tuple(value.shape), ranks.get(name))
            symbols |= {str(free) for dim in value.shape for free in getattr(dim, "free_symbols", ())}
        found[name] = _placed(name, value, options) if isinstance(value, TensorShape) else value
    _check_bindings(options, symbols)
    return found


def bound(dim: Dim, symbols: Mapping[str, int]) -> Dim:
    """The size with the caller's bindings in place."""
    return substitute(dim, {symbol(name): size for name, size in symbols.items()}) if is_symbolic(dim) else dim


def _named(options: LoadOptions, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every input with the name it was given; one without a name has an empty one."""
    if options.given is None:
        yield from ((name, TensorShape(shape)) for name, shape in options.inputs.items())
        return
    if len(options.given.args) > 1:
        raise OptionError(
            f"{len(options.given.args)} inputs have no name; only the main one can do without.",
            hint='For example: {"input_ids": (1, 512), "attention_mask": (1, 512)}',
        )
    yield from (("", value) for value in options.given.args)
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name, value in options.given.kwargs.items():
        if not hasattr(value, "shape") and name not in parameters and not takes_more:
            raise OptionError(f"{name}={str(value)[:60]!r} is neither a shape nor an argument of the model.")
        yield name, value


def _check_shape(name: str, shape: Shape, rank: int | None) -> None:
    if rank is not None and len(shape) != rank:
        raise OptionError(
            f"the input {name} has {rank} sizes, received {shape_text(shape)}.",
            hint=f"For example:  --input {name}={AXES.get(rank, 'x'.join('1' * rank))}",
        )
    if any(not is_symbolic(dim) and dim < 1 for dim in shape):
        raise OptionError(f"sizes are at least 1, received {shape_text(shape)}.")


def _placed(name: str, leaf: TensorShape, options: LoadOptions) -> TensorShape:
    shape = tuple(bound(dim, options.symbols) for dim in leaf.shape)
    if options.batch is not None and shape:
        shape = (bound(options.batch, options.symbols), *shape[1:])
    return TensorShape(shape, leaf.dtype or dtype_of(name, options.dtype))


def _check_bindings(options: LoadOptions, used: set[str]) -> None:
    for name in options.symbols:
        if name not in used and name not in options.named_elsewhere:
            known = ", ".join(sorted(used)) or "none"
            raise SymbolError(f"--set {name}=…: the inputs have no symbol {name!r}.", hint=f"Their symbols: {known}.")
