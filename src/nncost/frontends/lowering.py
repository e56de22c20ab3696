"""The registry of lowerings: how an operator of a framework is written in core operations.

A lowering ("rule") receives the call of one operator, emits core operations and composites into
``call.builder`` and returns a tensor per output. Shapes, counts, gradients, memory and execution follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from nncost.dims import Shape, shape_text
from nncost.errors import OptionError

Rule = Callable[[Any], Any]
Own = TypeVar("Own", bound=Rule)
Rules = dict[str, dict[int, Rule]]
"""By name, then by the first version each is for."""


class OperatorCall(Protocol):
    """What a checked rule's call must tell: the operator's name, what it was given, and its outputs' shapes."""

    @property
    def name(self) -> str:
        """The operator, by the name it is registered under."""

    @property
    def arguments(self) -> Any:
        """The names of what a rule can read from the call."""

    @property
    def output_shapes(self) -> Sequence[Shape | None]:
        """The shape of each output; None if it is unknown without the rule."""


class RuleError(OptionError):
    """A rule of the user's own that fails, or whose results are not those of the operator."""


class Lowerings:
    """The rules of one framework by operator name, each for versions from ``since`` up to the next registered one.

    A user's rule goes before ours, whichever was registered first; ``revision`` grows with every registration.
    """

    def __init__(self) -> None:
        self.ours: Rules = {}
        self.users: Rules = {}
        self.revision = 0

    def register(self, names: Sequence[str], since: int = 1, *, users: bool = False) -> Callable[[Own], Own]:
        """Register a rule under each name; what is wrong with a user's one is raised as a RuleError."""
        rules = self.users if users else self.ours

        def keep(rule: Own) -> Own:
            for name in names:
                rules.setdefault(name, {})[since] = checked(rule) if users else rule
            self.revision += 1
            return rule

        return keep

    def find(self, *names: str, version: int = 1) -> Rule | None:
        """Return the rule of the first of the names that has one for the version; None if there is none."""
        for rules in (self.users, self.ours):
            for name in names:
                suitable = [since for since in rules.get(name, ()) if since <= version]
                if suitable:
                    return rules[name][max(suitable)]
        return None

    def forget(self, *names: str) -> None:
        """Drop the user's rules of these operators."""
        for name in names:
            self.users.pop(name, None)
        self.revision += 1


ONNX = Lowerings()
"""By ``Name``, or ``domain.Name`` outside the default domain; versions are opsets."""
TORCH = Lowerings()
"""By ``namespace::operator``, or ``namespace::operator.overload``, which goes first."""


def lowers(*names: str, since: int = 1) -> Callable[[Own], Own]:
    """Register how an operator is counted, by its name ``"onnx.Name"`` or ``"namespace::operator"``.

    ``"onnx.com.example.Name"`` or ``"com.example::Name"`` is an ONNX operator of another domain, and ``since`` the first
    opset a rule is for;
    ``"aten::pow.Scalar"`` is one overload of a PyTorch operator. The function receives the call, emits core
    operations into ``call.builder`` and returns a tensor per output. NotImplementedError leaves a call unknown.
    Raise OptionError for another name.
    """
    onnx = [name.removeprefix("onnx.") for name in names if name.startswith("onnx.") and name != "onnx."]
    torch = [name for name in names if name.count("::") == 1]
    for name in names:
        if (name.removeprefix("onnx.") in onnx) == (name in torch):
            raise OptionError(
                f"an operator's name is namespace::operator or onnx.Name, received {name!r}",
                hint='For example: @nncost.lowers("my::op") or @nncost.lowers("onnx.com.example.Op")',
            )
    if torch and since != 1:
        raise OptionError(f"since= is an opset of ONNX; {torch[0]} has none.")

    def register(rule: Own) -> Own:
        ONNX.register([*onnx, *(name.replace("::", ".") for name in torch)], since, users=True)(rule)
        TORCH.register(torch, users=True)(rule)
        return rule

    return register


def rule_name(kind: str, operator: str) -> str | None:
    """Return the name under which :func:`lowers` makes an unknown operator of a kind of source known, or None."""
    return operator if "::" in operator else f"onnx.{operator}" if kind == "onnx" else None


def checked(rule: Rule) -> Rule:
    """Return a user's rule that says what is wrong with it, where one of ours only leaves a call unknown."""

    def lowered(call: OperatorCall) -> Any:
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
        shapes = [None if tensor is None else getattr(tensor, "shape", tensor) for tensor in made]
        wanted = call.output_shapes
        if len(shapes) != len(wanted) or not all(map(_agree, shapes, wanted)):
            raise RuleError(
                f"the rule for {call.name} returned {_text(shapes)}, the operator gives {_text(wanted)}.",
                hint="Return one tensor of the graph for each output, in its shape; None for one that is not needed.",
            )
        return result

    return lowered


def _agree(shape: Any, wanted: Shape | None) -> bool:
    """Whether a result may stand for an output: None stands for one that is not needed."""
    return shape is None or (isinstance(shape, tuple) if wanted is None else shape == wanted)


def _text(shapes: Sequence[Any]) -> str:
    texts = (
        "?" if shape is None else shape_text(shape) if isinstance(shape, tuple) else repr(shape) for shape in shapes
    )
    return ", ".join(texts) or "nothing"
