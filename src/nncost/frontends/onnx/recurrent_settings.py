"""What the attributes of a recurrent layer say of its cells and directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan, nan

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.library.recurrent_forms import Function
from nncost.records import record

DIRECTIONS: Mapping[str, tuple[bool, ...]] = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_USUAL: Mapping[str, tuple[str, ...]] = {
    "rnn": ("Tanh",), "lstm": ("Sigmoid", "Tanh", "Tanh"), "gru": ("Sigmoid", "Tanh"),
}  # fmt: skip
_FUNCTIONS: Mapping[str, tuple[str, float | None, float | None]] = {
    "relu": ("relu", None, None), "tanh": ("tanh", None, None), "sigmoid": ("sigmoid", None, None),
    "softsign": ("softsign", None, None), "softplus": ("softplus", None, None), "affine": ("affine", nan, nan),
    "leakyrelu": ("leaky_relu", 0.01, None), "thresholdedrelu": ("thresholded_relu", 1.0, None),
    "scaledtanh": ("scaled_tanh", nan, nan), "hardsigmoid": ("hardsigmoid", 0.2, 0.5), "elu": ("elu", 1.0, None),
}  # fmt: skip
"""Our activation by ONNX's name, with the defaults of alpha and beta if it has them; NaN if the file must give one."""


@record
class CellForm:
    """What makes a cell another one than PyTorch's, but for its operands."""

    functions: tuple[Function, ...]
    clip: float | None = None
    coupled: bool = False
    reset_first: bool = False


PLAIN: Mapping[str, CellForm] = {
    kind: CellForm(tuple((name.lower(), ()) for name in names)) for kind, names in _USUAL.items()
}
"""PyTorch's cells."""


@record
class RecurrentSettings:
    """Which directions run backwards, the functions of each, and the form of all; ``form`` has those of the first.

    Tensors of examples come first if ``by_example``.
    """

    reverse: tuple[bool, ...]
    functions: tuple[tuple[Function, ...], ...]
    form: CellForm
    by_example: bool

    @property
    def clip(self) -> float | None:
        """The bound of what functions read."""
        return self.form.clip

    @property
    def coupled(self) -> bool:
        """Whether a gate forgets what another one does not write."""
        return self.form.coupled

    @property
    def reset_first(self) -> bool:
        """Whether a GRU resets its state before the product."""
        return self.form.reset_first


def recurrent_settings(call: Call, kind: str) -> RecurrentSettings:
    """Read them. Raise SourceError for names that do not exist."""
    a = call.attributes
    way = a.text("direction", "forward").lower()
    if way not in DIRECTIONS:
        raise SourceError(f"direction is forward, reverse or bidirectional, received {way!r}.")
    functions = tuple(_functions(call, kind, len(DIRECTIONS[way])))
    form = CellForm(
        # Directions of different functions are never PyTorch's.
        functions[0] if len(set(functions)) == 1 else (),
        a.number("clip", 0.0) if a.number("clip", 0.0) > 0 else None,
        kind == "lstm" and a.flag("input_forget", False),
        kind == "gru" and not a.flag("linear_before_reset", False),
    )
    return RecurrentSettings(DIRECTIONS[way], functions, form, a.flag("layout", False))


def _functions(call: Call, kind: str, directions: int) -> Iterator[tuple[Function, ...]]:
    """Each direction's functions; alpha and beta go, in turn, to those that have one."""
    each = len(_USUAL[kind])
    names = call.attributes.texts("activations") or _USUAL[kind]
    if len(names) < each * directions:
        names = (*names[:each],) * directions
    alphas, betas = (iter(call.attributes.numbers(f"activation_{letter}")) for letter in ("alpha", "beta"))
    found = [_function(name, alphas, betas) for name in names[: each * directions]]
    if len(found) != each * directions:
        raise SourceError(f"the attribute 'activations' must have {each * directions} names, received {len(names)}.")
    yield from (tuple(found[start : start + each]) for start in range(0, len(found), each))


def _function(name: str, alphas: Iterator[float], betas: Iterator[float]) -> Function:
    known = _FUNCTIONS.get(name.lower())
    if known is None:
        raise SourceError(f"the attribute 'activations' names {name!r}, which is no activation of a recurrent layer.")
    ours, alpha, beta = known
    pairs = ((alphas, alpha), (betas, beta))
    settings = tuple(next(given, default) for given, default in pairs if default is not None)
    if any(map(isnan, settings)):
        raise Unlowered(f"its activation {name} needs an alpha and a beta, which are not given")
    return ours, settings
