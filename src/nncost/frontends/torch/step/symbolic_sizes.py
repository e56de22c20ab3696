"""Symbolic sizes: PyTorch's symbolic integers made from our symbols, and its expressions as ours.

A symbol has an example number while the model runs, so that code which compares sizes takes one
branch; the comparison is kept as a condition under which the formula holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import sympy
import torch

from nncost.dims import Dim, Shape, ceil_divide, floor_divide, product, symbol
from nncost.errors import SymbolError
from nncost.frontends.torch.step.signals import Branched
from nncost.frontends.torch.step.size_conditions import fixes, in_short
from nncost.frontends.torch.step.symbolic_forms import run_on_symbols
from nncost.records import record

FIRST_AXIS, OTHER_AXES = (13, 17, 19, 23), (131, 137, 139, 149, 151)
"""Example numbers: primes, so that equal sizes are not taken for one another; small ones for a batch."""
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89)
_LARGEST = 1 << 40
_CHOOSES_KERNEL = {"aten::convolution", "aten::convolution_backward"}
"""Operators that ask about sizes only to choose one of several kernels, which compute the same."""
_CHOOSING: Mapping[str, Callable[[Sequence[Any]], Sequence[Any]]] = {
    **dict.fromkeys(
        ("aten::nonzero", "aten::argwhere", "aten::masked_select", "aten::_unique", "aten::_unique2"),
        lambda args: args[0].shape,
    ),
    "aten::unique_consecutive": lambda args: args[0].shape,
    "torchvision::nms": lambda args: args[0].shape[:1],
    **dict.fromkeys(
        ("aten::unique_dim", "aten::unique_dim_consecutive"), lambda args: (args[0].shape[args[1]],)
    ),
    "aten::index": lambda args: next(x.shape for x in args[1] if x is not None and x.dtype in (torch.bool, torch.uint8)),
}  # fmt: skip
"""Operators that choose among elements by the data, and the sizes of what they choose among."""


@record
class Multiples:
    """Sizes are multiples of ``of``, those of first axes only if ``first``."""

    of: int = 1
    first: bool = False


class Sizes:
    """The symbols of one run; with ``by_data`` also those for sizes that only the data decide.

    A symbol whose sizes are ``multiples`` is replaced by one for the factor, so that halves of it are whole;
    ``meaning`` says what the replacements mean. ``compared`` are the numbers at which constants that the model looks at were
    found to be the same.
    """

    def __init__(self, *, by_data: bool = False, multiples: Multiples | None = None) -> None:
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        self.environment = ShapeEnv(
            duck_shape=False, allow_dynamic_output_shape_ops=by_data, allow_scalar_outputs=by_data
        )
        self._by_data, self.multiples = by_data, multiples or Multiples()
        self.meaning: dict[Any, Any] = {}
        self._limits: dict[Any, Dim] = {}
        self._factors: dict[str, int] = {}
        self._chosen: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self._integers: dict[str, Any] = {}
        self._ours: dict[Any, Any] = {}
        self.compared: Sequence[Mapping[str, int]] = ()

    def shape(self, shape: Shape) -> tuple[Any, ...]:
        """A shape with PyTorch's symbolic integers. Raise SymbolError for anything but numbers and names."""
        return tuple(dim if isinstance(dim, int) else self._integer(dim, axis == 0) for axis, dim in enumerate(shape))

    def _integer(self, dim: Any, first: bool) -> Any:
        if not getattr(dim, "is_Symbol", False):
            raise SymbolError(f"a size of a module's input is a number or a name, received {dim}")
        from torch._dynamo.source import ConstantSource
        from torch.fx.experimental.symbolic_shapes import DimDynamic
        from torch.utils._sympy.value_ranges import ValueRanges

        name = dim.name
        if name not in self._integers:
            factor = 1 if first and not self.multiples.first else self.multiples.of
            number = self._example(factor, first)
            self.numbers[name], self._factors[name] = number, factor
            source = ConstantSource(name)
            theirs = self.environment.create_symbol(
                number // factor, source, dynamic_dim=DimDynamic.DYNAMIC, constraint_dim=None
            )
            # With an upper limit PyTorch knows that a slice of everything is the tensor itself, as with numbers.
            self.environment.var_to_range[theirs] &= ValueRanges(1 if factor > 1 else 2, _LARGEST)
            self._ours[theirs] = symbol(name)
            if factor > 1:
                self._ours[theirs] = part = sympy.Dummy(name, integer=True, positive=True)
                self.meaning[part] = symbol(name) / factor
            integer = self.environment.create_symintnode(theirs, hint=number // factor, source=source)
            self._integers[name] = integer * factor
        return self._integers[name]

    def _example(self, factor: int, first: bool) -> int:
        """A number for a symbol that no other has."""
        taken = self.numbers.values()
        numbers: Iterable[int] = FIRST_AXIS if first and factor == 1 else OTHER_AXES
        if factor > 1:
            numbers = [factor * prime for prime in _PRIMES if factor * prime >= OTHER_AXES[0]]
        found = next((number for number in numbers if number not in taken), None)
        if found is None:
            raise SymbolError("too many symbols among the sizes of the inputs.")
        return found

    def dim(self, value: Any) -> Dim:
        """A size of PyTorch's as ours. Raise SymbolError for an expression nncost does not know."""
        if isinstance(value, int):
            return value
        return self._expression(value.node.expr)

    def _expression(self, expression: Any) -> Any:
        if expression.is_Integer:
            return int(expression)
        if expression.is_Symbol:
            if expression not in self._ours:
                self._choose(expression)
            return self._ours[expression]
        parts = [self._expression(part) for part in expression.args]
        name = type(expression).__name__
        if name == "Add":
            return sum(parts)
        if name == "Mul":
            return prod(parts)
        if name == "Pow" and isinstance(parts[1], int) and parts[1] >= 0:
            return prod([parts[0]] * parts[1])
        if name in ("FloorDiv", "CleanDiv"):
            return floor_divide(parts[0], parts[1])
        if name == "CeilDiv":
            return ceil_divide(parts[0], parts[1])
        if name in ("ModularIndexing", "Mod", "PythonMod") and len(parts) == 2:
            return parts[0] - floor_divide(parts[0], parts[1]) * parts[1]
        raise SymbolError(f"a size of the model is {expression}, which nncost has no formula for.")

    def _choose(self, expression: Any) -> None:
        """A size that the data decide, with the range it may have."""
        if not self._by_data:
            raise SymbolError(f"a size depends on the data ({expression}).")
        limits, name = self.environment.var_to_range.get(expression), f"rows{len(self._chosen) + 1}"
        most = self._limits.get(expression)
        if most is None and limits is not None and limits.upper.is_Integer and limits.upper < _LARGEST:
            most = int(limits.upper)
        self._ours[expression] = symbol(name)
        self._chosen[name] = "0 or more without an upper limit" if most is None else f"0 to {most}"

    def run(self, operator: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Run an operator; what it asks of the symbols is a condition unless nothing depends on it."""
        if name in _CHOOSES_KERNEL:
            with self.environment.suppress_guards():
                return run_on_symbols(operator, name, args, kwargs)
        result = run_on_symbols(operator, name, args, kwargs)
        if self._by_data and name in _CHOOSING:
            self._note_limit(result, args, _CHOOSING[name])
        return result

    def _note_limit(self, result: Any, args: Sequence[Any], among: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Of what the data choose among some elements there are as many at most."""
        pieces = result if isinstance(result, (list, tuple)) else (result,)
        sizes = [size for piece in pieces for size in piece.shape if isinstance(size, torch.SymInt)]
        for free in {free for size in sizes for free in size.node.expr.free_symbols}:
            if free not in self._ours and free not in self._limits:
                self._limits[free] = product([self.dim(size) for size in among(args)])

    def conditions(self) -> Iterator[Any]:
        """The conditions the model asked of the symbols, in our names; of multiples they are about the factor."""
        names = {theirs: symbol(ours.name) for theirs, ours in self._ours.items()}
        for guard in self.environment.guards:
            yield guard.expr.xreplace(names) if hasattr(guard.expr, "xreplace") else guard.expr

    def _side(self, side: Any) -> Any:
        """A side of a condition in our form, in our names."""
        theirs = {symbol(ours.name): theirs for theirs, ours in self._ours.items()}
        return sympy.sympify(self._expression(side.xreplace(theirs))).xreplace(
            {ours: symbol(ours.name) for ours in self.meaning}
        )

    def check(self) -> list[str]:
        """Sentences about the formulas. Raise Branched if a symbol was fixed to a number."""
        found = list(dict.fromkeys(self.conditions()))
        examples = {name: number // self._factors[name] for name, number in self.numbers.items()}
        fixed = [str(condition) for condition in found if fixes(condition, examples)]
        if fixed or any(theirs in self.environment.replacements for theirs in self._ours):
            raise Branched(fixed, self.numbers)
        chosen = [
            f"{name} is a number of rows that the data decide, {limits}." for name, limits in self._chosen.items()
        ]
        factors = {name: factor for name, factor in self._factors.items() if factor > 1}
        multiples = [f"{name} is a multiple of {factor}" for name, factor in sorted(factors.items())]
        asked = [*multiples, *in_short(found, factors, self._side)]
        compared = [SAME.format(_at(self.compared))] if self.compared else []
        return [*chosen, *([f"The formulas hold where {', '.join(asked)}."] if asked else []), *compared]


SAME = "The model looks at constants whose sizes are symbols; what it sees is the same at {}, and is taken for what it sees at all sizes."


def _at(numbers: Sequence[Mapping[str, int]]) -> str:
    """``B = 2, 4, 6; T = 47, 94, 141``."""
    return "; ".join(f"{name} = {', '.join(str(each[name]) for each in numbers)}" for name in numbers[0])


def symbol_names(shapes: dict[str, Shape]) -> set[str]:
    """The names of the symbols in some shapes."""
    return {str(s) for shape in shapes.values() for dim in shape for s in getattr(dim, "free_symbols", ())}


def plain(value: Any, sizes: Sizes | None) -> Any:
    """A size or number without PyTorch's symbolic types; a symbolic float by its example number."""
    if isinstance(value, torch.SymInt):
        assert sizes is not None
        return sizes.dim(value)
    return value.node.hint if isinstance(value, (torch.SymFloat, torch.SymBool)) else value
