"""The widths form: ``784-16-16-10``, with activations, repeated widths and whole families of widths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count

from nncost.dims import Dim, indexed, product, substitute, symbol
from nncost.errors import Instead, OptionError, SpecError, SymbolError
from nncost.frontends.choices import ACTIVATION_ALIASES, ACTIVATION_NAMES
from nncost.frontends.model import BiasChoice, LoadOptions
from nncost.frontends.spec.grammar import Dots, Width, Widths, Word
from nncost.frontends.spec.layers import MAX_LAYERS, Context, affine
from nncost.frontends.spec.misplaced import attached, check_names
from nncost.frontends.spec.sizes import Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import activations
from nncost.names import meant, nearest
from nncost.records import record, replace

_MEMBER = re.compile(r"([A-Za-z_]+?)([0-9]+)\Z")
_INDEX_NAMES = ("k", "i", "j", "m", "n")


@record
class Step:
    """``times`` layers of one width; with ``index``, layer ``index`` of a family from ``start`` on."""

    width: Dim
    activation: str
    times: Dim = 1
    index: Dim | None = None
    start: Dim = 1


def build_widths(context: Context, spec: Widths, batch: Dim, bias: BiasChoice, activation: str) -> Tensor:
    """Emit a network of dense layers, each neuron with a bias and an activation unless told otherwise."""
    activation = _check_activation(context.sizes, activation, None)
    first = spec.widths[0]
    if isinstance(first, Dots):
        raise SpecError("a network cannot start with ...", context.sizes.spec, first.position, length=3)
    if first.activation is not None or first.count is not None:
        message = "the first item is the input, which has no activation and no count"
        raise context.sizes.error(message, first.size, corrected=attached(spec.widths) if first.count is None else None)
    check_names(context.sizes, spec.widths)
    if activation != LoadOptions().activation and all(isinstance(w, Width) and w.activation for w in spec.widths[1:]):
        raise OptionError(
            "--activation changes nothing: every layer names its own.",
            hint="It is that of layers without one, as in 784-16:relu-10.",
            instead=Instead("--activation", ""),
        )
    expanded = _expand_numbered(context.sizes, spec.widths)
    family = next((i for i, width in enumerate(expanded) if isinstance(width, Dots)), None)
    inputs, steps = (
        _steps(context, expanded, activation)
        if family is None
        else _family(context, expanded, family, activation, batch)
    )
    b = context.builder
    x = b.input((batch, *inputs), name="x")
    x = b.reshape(x, (batch, product(inputs)))
    if bias == "hidden":
        steps[-1:] = _hidden_and_last(steps[-1])
    for number, step in enumerate(steps):
        has_bias = bias == "all" or (bias == "hidden" and number < len(steps) - 1)
        x = _layers(context, x, step, has_bias, first.size)
    return x


def _hidden_and_last(step: Step) -> list[Step]:
    """The last step as its hidden layers and the output layer."""
    if step.times == 1 and step.index is None:
        return [step]
    last = step.width
    if step.index is not None:
        last = substitute(step.width, {step.index: step.start + step.times - 1})
    return [replace(step, times=step.times - 1), Step(last, step.activation)]


def _layers(context: Context, x: Tensor, step: Step, bias: bool, first: Word) -> Tensor:
    b = context.builder
    if step.index is not None:
        return _family_layers(b, x, step, bias)
    context.begin_layer(first)
    x = _one_layer(b, x, step.width, step.activation, bias)
    times = step.times - 1
    if times == 0:
        return x
    if times == 1:
        return _one_layer(b, x, step.width, step.activation, bias)

    def body(inner: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [_one_layer(inner, carried[0], step.width, step.activation, bias)], []

    with b.layer("repeat"):
        finals, _ = b.repeat(times, [x], body)
    return finals[0]


def _family_layers(b: Builder, x: Tensor, step: Step, bias: bool) -> Tensor:
    """Layers ``start … start+times−1`` of a family, where layer k maps h[k−1] to h[k]."""
    assert step.index is not None
    narrower = step.width.subs(step.index, step.index - 1)  # type: ignore[union-attr]

    def body(inner: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [_one_layer(inner, carried[0], step.width, step.activation, bias)], []

    entering = [Tensor((x.shape[0], narrower), x.dtype)]
    with b.layer("repeat"):
        finals, _ = b.repeat(step.times, [x], body, entering=entering, index=step.index, start=step.start)
    return finals[0]


def _one_layer(b: Builder, x: Tensor, width: Dim, activation: str, bias: bool) -> Tensor:
    with b.layer("dense"):
        y = affine(b, x, width, bias=bias)
        if activation == "none":
            return y
        if activation in ("softmax", "log_softmax"):
            return activations.softmax(b, y, layer=True, logarithm=activation == "log_softmax")
        return activations.activation(b, activation, y)


def _check_activation(sizes: Sizes, name: str, word: Word | None) -> str:
    """The activation of that name, as people may write it. Raise SpecError, or OptionError for the option's."""
    found = meant(name, ACTIVATION_NAMES, ACTIVATION_ALIASES)
    if found is not None:
        return found
    close = nearest(name, ACTIVATION_NAMES, ACTIVATION_ALIASES)
    hint = f"Did you mean {close}? " if close is not None else ""
    hint += f"Activations: {', '.join(ACTIVATION_NAMES)}."
    if word is not None:
        raise sizes.error(f"unknown activation {name!r}", word, hint=hint, meant=close)
    instead = None if close is None else Instead(name, close)
    raise OptionError(f"--activation: unknown activation {name!r}", hint=hint, instead=instead)


def _steps(context: Context, widths: Sequence[Width | Dots], activation: str) -> tuple[tuple[Dim, ...], list[Step]]:
    first, *rest = widths
    assert isinstance(first, Width)
    inputs = context.sizes.shape(first.size)
    return inputs, [_step(context.sizes, width, activation) for width in rest if isinstance(width, Width)]


def _step(sizes: Sizes, width: Width, activation: str) -> Step:
    name = width.activation.text if width.activation is not None else activation
    name = _check_activation(sizes, name, width.activation)
    times = sizes.size(width.count, "the number of layers") if width.count is not None else 1
    return Step(sizes.size(width.size, "a width"), name, times)


# ------------------------------------------------------------------- families of widths
def _member(word: Word) -> tuple[str, int] | None:
    match = _MEMBER.match(word.text)
    return (match[1], int(match[2])) if match and len(match[2]) <= len(str(MAX_LAYERS)) else None


def _expand_numbered(sizes: Sizes, widths: Sequence[Width | Dots]) -> list[Width | Dots]:
    """Write ``h0-h1-...-h4`` (or ``…-hl`` with l bound) out; leave an open end as it is."""
    places = [i for i, width in enumerate(widths) if isinstance(width, Dots)]
    if not places:
        return list(widths)
    place = places[0]
    before, dots = widths[place - 1], widths[place]
    after = widths[place + 1] if place + 1 < len(widths) else None
    assert isinstance(dots, Dots)
    start = _member(before.size) if isinstance(before, Width) else None
    if len(places) > 1 or start is None or not isinstance(after, Width):
        raise SpecError(
            "... stands once, between members of one family of widths", sizes.spec, dots.position, length=3,
            hint="For example:  h0-h1-...-hl   or   784-h1-...-h5-10",
        )  # fmt: skip
    base, number = start
    end = after.size.text.removeprefix(base)
    if not after.size.text.startswith(base) or not end:
        raise sizes.error(f"... leads from {base}{number} to a width of the same name, such as {base}l", after.size)
    bound = sizes.bindings.get(end)
    if bound is not None:
        sizes.used[end] = None
    last = bound if bound is not None else int(end) if end.isdigit() and len(end) <= len(str(MAX_LAYERS)) else None
    if last is None:
        return list(widths)
    if last <= number or last > MAX_LAYERS:
        raise sizes.error(f"the last member must lie above {base}{number} and below {base}{MAX_LAYERS}", after.size)
    assert isinstance(before, Width)
    between = before.activation if place > 1 else after.activation
    middle = [Width(Word(f"{base}{i}", dots.position), between, None) for i in range(number + 1, last)]
    final = Width(Word(f"{base}{last}", after.size.position), after.activation, None)
    return [*widths[:place], *middle, final, *widths[place + 2 :]]


def _family(
    context: Context, widths: Sequence[Width | Dots], place: int, activation: str, batch: Dim
) -> tuple[tuple[Dim, ...], list[Step]]:
    """Members of a family whose last index is a symbol: two layers written out, the rest as one indexed step."""
    sizes = context.sizes
    before, after = widths[place - 1], widths[place + 1]
    assert isinstance(before, Width)
    assert isinstance(after, Width)
    base, number = _member(before.size) or ("", 0)
    end_name = after.size.text.removeprefix(base)
    for name in sizes.bindings:
        if (match := _MEMBER.match(name)) and match[1] == base:
            raise SymbolError(
                f"cannot bind {name} while {end_name} is open.", hint=f"Bind {end_name} too: --symbol {end_name}=3"
            )
    end = symbol(end_name)
    sizes.used[end_name] = None
    names = {str(width.size.text) for width in widths if isinstance(width, Width)} | {end_name, base, str(batch)}
    index = symbol(next(name for name in chain(_INDEX_NAMES, map("k{}".format, count())) if name not in names))
    shapes: list[Dim] = []
    steps: list[Step] = []
    for width in widths[:place]:
        assert isinstance(width, Width)
        member = _member(width.size)
        if member is not None and member[0] == base:
            steps.append(Step(indexed(base, member[1]), _named(sizes, width, activation)))
        elif not steps:
            shapes.append(product(sizes.shape(width.size)))
            steps.append(Step(shapes[0], activation))
        else:
            steps.append(_step(sizes, width, activation))
    inputs = sizes.shape(widths[0].size) if shapes else (steps[0].width,)  # type: ignore[union-attr]
    last_name, first = _named(sizes, after, activation), number + 1
    name = _named(sizes, before, activation) if place > 1 else last_name
    if place == 1:  # The family's first member is the input, whose layer has no input gradient and stands apart.
        steps.append(Step(indexed(base, first), name))
        first += 1
    if name == last_name:
        steps.append(Step(indexed(base, index), name, end - first + 1, index, first))
    else:
        steps.append(Step(indexed(base, index), name, end - first, index, first))
        steps.append(Step(indexed(base, end), last_name))
    steps += [_step(sizes, width, activation) for width in widths[place + 2 :] if isinstance(width, Width)]
    return inputs, steps[1:]


def _named(sizes: Sizes, width: Width, default: str) -> str:
    return _check_activation(sizes, width.activation.text if width.activation else default, width.activation)
