"""The registry of lowerings: how a PyTorch operator is written in core operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from nncost.dims import shape_text
from nncost.errors import OptionError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.shapes import Signature

Lowered = Union[Tensor, None, Sequence[Union[Tensor, None]]]
Lowering = Callable[["Call"], Lowered]

_LOWERINGS: dict[str, Lowering] = {}
_revision = [0]


class Call:
    """One call of an operator: its arguments by the names of its schema, its outputs' shapes and types.

    Tensors are graph tensors; everything else is as it was given. A lowering emits into
    ``builder`` and returns the tensors that stand for the outputs. ``stored`` says how many values sparse
    tensors hold.
    """

    __slots__ = ("arguments", "builder", "name", "outputs", "overload", "parameters", "stored")

    def __init__(
        self,
        builder: Builder,
        name: str,
        overload: str,
        arguments: Mapping[str, Any],
        outputs: tuple[Signature, ...],
        parameters: frozenset[Tensor],
        stored: Mapping[Tensor, int] | None = None,
    ) -> None:
        self.builder, self.name, self.overload = builder, name, overload
        self.arguments, self.outputs, self.parameters = arguments, outputs, parameters
        self.stored: Mapping[Tensor, int] = stored or {}

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default where it was not given."""
        value = self.arguments.get(name)
        return default if value is None else value

    def tensor(self, name: str) -> Tensor:
        """An argument that must be a tensor of the graph."""
        value = self.arguments[name]
        if not isinstance(value, Tensor):
            raise TypeError(f"{self.name}: {name} is {value!r}, not a tensor")
        return value

    @property
    def dtype(self) -> str:
        """The type of the first output."""
        return self.outputs[0][1]


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Register how an operator is counted, by its name ``"namespace::operator"``.

    The function receives a :class:`Call`, emits core operations into ``call.builder`` and returns a
    tensor for each output. An overload (``"aten::pow.Scalar"``) goes before the plain name. Shapes,
    counts, gradients and execution follow from the operations emitted. NotImplementedError leaves a
    call unknown. Raises OptionError for a name without a namespace.
    """
    for name in names:
        if name.count("::") != 1:
            raise OptionError(
                f"an operator's name is namespace::operator, received {name!r}", hint='@nncost.lowers("my::op")'
            )

    def register(lowering: Lowering) -> Lowering:
        ours = getattr(lowering, "__module__", "").startswith("nncost.")
        _LOWERINGS.update(dict.fromkeys(names, lowering if ours else _checked(lowering)))
        _revision[0] += 1
        return lowering

    return register


class RuleError(OptionError):
    """A rule of the user's own that fails, or whose results are not those of the operator."""


def _checked(rule: Lowering) -> Lowering:
    """A rule of the user's own; what is wrong with it is said, where ours only leave a call unknown."""

    def lowered(call: Call) -> Lowered:
        try:
            result = rule(call)
        except NotImplementedError:
            raise
        except Exception as error:
            known = ", ".join(call.arguments)
            raise RuleError(
                f"the rule for {call.name} raised {type(error).__name__}: {error}.", hint=f"Its arguments: {known}."
            ) from error
        made = list(result) if isinstance(result, (tuple, list)) else [result]
        sizes = [None if tensor is None else getattr(tensor, "shape", tensor) for tensor in made]
        wanted = [shape for shape, _ in call.outputs]
        if len(sizes) != len(wanted) or any(
            size is not None and size != shape for size, shape in zip(sizes, wanted, strict=False)
        ):
            raise RuleError(
                f"the rule for {call.name} returned {_shapes(sizes)}, the operator gives {_shapes(wanted)}.",
                hint="Return one tensor of the graph for each output, in its shape; None for one that is not needed.",
            )
        return result

    return lowered


def _shapes(sizes: Sequence[Any]) -> str:
    return ", ".join(shape_text(size) if isinstance(size, tuple) else repr(size) for size in sizes) or "nothing"


def lowering_for(name: str, overload: str) -> Lowering | None:
    """The lowering of an operator, or None."""
    return _LOWERINGS.get(f"{name}.{overload}") or _LOWERINGS.get(name)


def revision() -> int:
    """How many registrations there have been."""
    return _revision[0]
