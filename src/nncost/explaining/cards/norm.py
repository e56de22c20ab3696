"""Normalisation layers."""

from __future__ import annotations

from functools import cache

from nncost.dims import Dim, Shape, product
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, CHANNELS, INPUT, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from nncost.ir.library import norm

_CENTRED = Maths("x̂ = (x − mean)/√(variance + ε)", r"\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}")
_GRADIENT = Maths(
    "∂L/∂x = (h − mean(h) − x̂·mean(h·x̂))/σ    with h = g·γ",
    r"\frac{\partial L}{\partial x} = \frac{h - \overline{h} - \hat x\,\overline{h \hat x}}{\sigma}, \qquad h = g\gamma",
)
_WHY = {
    "mul": "squares for the variance, then by 1/σ, then by the scale γ",
    "add": "the sums of both means, the differences x − mean, ε and the shift β",
    "div": "the means, and 1/σ",
    "sqrt": "one per σ",
}
_SAVED = "the norms' x̂ and 1/σ"
_SYMBOLS = {
    "x": "inputs", "x̂": "normalised inputs", "y": "outputs", "γ": "learned scale", "β": "learned shift",
    "ε": "a small constant", "σ": "the square root below the fraction line",
}  # fmt: skip


def _affine(scale: bool, shift: bool) -> Maths:
    text = "y = " + ("γ·" if scale else "") + "x̂" + (" + β" if shift else "")
    return Maths(text, "y = " + (r"\gamma\,\hat x" if scale else r"\hat x") + (r" + \beta" if shift else ""))


def _parameters(b: Builder, shape: tuple[Dim, ...], scale: bool, shift: bool) -> tuple[Tensor | None, Tensor | None]:
    gamma = b.parameter(shape, "weight", "weight") if scale else None
    return gamma, b.parameter(shape, "bias", "bias") if shift else None


def _labelled(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> dict[str, Tensor]:
    named = {INPUT: x, "∂L/∂γ": gamma, "∂L/∂β": beta}
    return {label: tensor for label, tensor in named.items() if tensor is not None}


def _sentence(scale: bool, shift: bool, each: str) -> str:
    given = " and ".join(name for name, there in (("a scale γ", scale), ("a shift β", shift)) if there)
    return f"{given} per {each}" if given else "none"


def read_batch_norm(region: Region) -> tuple[Reading, ...]:
    """C channels of n values."""
    batch, channels, *spatial = region.inputs[0].shape
    training = region.settings(BatchNorm).momentum is not None
    return (Reading(batch_norm_card(training), ((batch, *spatial), channels)),)


@cache
def batch_norm_card(training: bool) -> Card:
    """The card of batch normalisation, with the batch's statistics or with stored ones."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x, channels = b.input((sizes["n"], sizes["C"])), (sizes["C"],)
        gamma, beta = b.parameter(channels, "weight", "weight"), b.parameter(channels, "bias", "bias")
        mean, variance = (b.parameter(channels, "buffer", name) for name in ("running_mean", "running_var"))
        norm.batch_norm(b, x, gamma, beta, mean, variance)
        return _labelled(x, gamma, beta)

    stored = Maths(
        "y = x·f + (β − mean·f)    with f = γ/√(variance + ε)",
        r"y = x f + (\beta - \mu f), \qquad f = \gamma/\sqrt{\sigma^2 + \varepsilon}",
    )
    return Card(
        title="batch normalisation",
        letters={"n": "values of a channel in the whole batch", "C": "channels"},
        build=build,
        equations=(_CENTRED, _affine(True, True)) if training else (stored,),
        gradients=(_GRADIENT,) if training else (Maths("∂L/∂x = g·f", r"\frac{\partial L}{\partial x} = g f"),),
        why={name: f"{text}; the running averages" if name in ("mul", "add") else text for name, text in _WHY.items()}
        if training
        else {
            "mul": "x·f per value, γ and mean times 1/σ per channel",
            "add": "one per value, two per channel",
        },
        parameters="a scale γ and a shift β per channel; its two running averages are buffers, not parameters",
        saved=_SAVED,
        symbols=_SYMBOLS,
        training=training,
    )


def read_layer_norm(region: Region) -> tuple[Reading, ...]:
    """B examples of T rows, D values in each row."""
    layer = region.settings(LayerNorm)
    return _row_norm(region.inputs[0], layer.axes, centred=True, scale=layer.scale, shift=layer.shift)


def read_rms_norm(region: Region) -> tuple[Reading, ...]:
    """B examples of T rows, D values in each row."""
    return _row_norm(region.inputs[0], 1, centred=False, scale=region.settings(RMSNorm).scale, shift=False)


def _row_norm(x: Tensor, axes: int, *, centred: bool, scale: bool, shift: bool) -> tuple[Reading, ...]:
    (batch, *rows), width = x.shape[: x.rank - axes], product(x.shape[x.rank - axes :])
    card = row_norm_card(centred, scale, shift, bool(rows))
    return (Reading(card, (batch, tuple(rows), width) if rows else (batch, width)),)


@cache
def row_norm_card(centred: bool, scale: bool, shift: bool, positions: bool) -> Card:
    """The card of layer norm (``centred``) and RMS norm."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        rows = (sizes[BATCH], sizes["T"]) if positions else (sizes[BATCH],)
        x = b.input((*rows, sizes["D"]))
        gamma, beta = _parameters(b, (sizes["D"],), scale, shift)
        if centred:
            norm.layer_norm(b, x, gamma, beta)
        else:
            norm.rms_norm(b, x, gamma)
        return _labelled(x, gamma, beta)

    root = Maths("x̂ = x/√(mean(x²) + ε)", r"\hat x = \frac{x}{\sqrt{\overline{x^2} + \varepsilon}}")
    slope = Maths(
        "∂L/∂x = (h − x̂·mean(h·x̂))/σ    with h = g·γ",
        r"\frac{\partial L}{\partial x} = \frac{h - \hat x\,\overline{h \hat x}}{\sigma}, \qquad h = g\gamma",
    )
    return Card(
        title="layer normalisation" if centred else "RMS normalisation",
        letters=ROWS | ({"T": "positions of each example"} if positions else {}) | {"D": "values in each row"},
        build=build,
        equations=(_CENTRED if centred else root, _affine(scale, shift)),
        gradients=(_GRADIENT if centred else slope,),
        why=_WHY if centred else _WHY | {"add": "the sum of the squares, and ε", "div": "the mean, and 1/σ"},
        parameters=_sentence(scale, shift, "value of a row"),
        saved=_SAVED,
        symbols=_SYMBOLS,
    )


def read_group_norm(region: Region) -> tuple[Reading, ...]:
    """B examples, G groups, C channels of S values; instance norm has one group per channel."""
    layer = region.settings(GroupNorm)
    batch, channels, *spatial = region.inputs[0].shape
    values: tuple[Dim | Shape, ...] = (batch, channels, tuple(spatial))
    card = group_norm_card(layer.scale, layer.shift, layer.instance)
    return (Reading(card, values if layer.instance else (*values, layer.groups)),)


@cache
def group_norm_card(scale: bool, shift: bool, instance: bool) -> Card:
    """The card of group norm and instance norm."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["C"], sizes["S"]))
        gamma, beta = _parameters(b, (sizes["C"],), scale, shift)
        if instance:
            norm.instance_norm(b, x, gamma, beta)
        else:
            norm.group_norm(b, x, sizes["G"], gamma, beta)
        return _labelled(x, gamma, beta)

    return Card(
        title="instance normalisation" if instance else "group normalisation",
        letters=ROWS | CHANNELS | ({} if instance else {"G": "groups of channels"}),
        build=build,
        equations=(_CENTRED, _affine(scale, shift)),
        gradients=(_GRADIENT,),
        why=_WHY,
        parameters=_sentence(scale, shift, "channel"),
        saved=_SAVED,
        symbols=_SYMBOLS,
    )


def read_lrn(region: Region) -> tuple[Reading, ...]:
    """B examples, C channels of S values; the window's size is a number of the card."""
    batch, channels, *spatial = region.inputs[0].shape
    return (Reading(lrn_card(region.settings(LocalResponseNorm).size), (batch, channels, tuple(spatial))),)


@cache
def lrn_card(size: int) -> Card:
    """The card of local response normalisation over ``size`` channels."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["C"], sizes["S"]))
        norm.local_response_norm(b, x, size=size)
        return {INPUT: x}

    return Card(
        title=f"local response normalisation over {size} channels",
        letters=ROWS | CHANNELS,
        build=build,
        equations=(Maths("y = x/(k + α·Σx²)^β", r"y = \frac{x}{\left(k + \alpha \sum x^2\right)^{\beta}}"),),
        gradients=(Maths("∂L/∂x by the quotient rule", r"\frac{\partial L}{\partial x}\ \text{by the quotient rule}"),),
        why={
            "mul": "the square, and by α",
            "add": f"the sum of {size} squares, and k",
            "pow": "one per value",
            "div": "one per value",
        },
        saved="the powers of the local response norms",
        symbols={"x": "inputs", "y": "outputs", "k": "a constant", "α": "a constant", "β": "the exponent, a constant"},
    )
