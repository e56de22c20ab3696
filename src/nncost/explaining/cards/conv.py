"""Convolutions and their transposes.

No size of a formula depends on the number of axes, the stride, the padding or the dilation: a
convolution has K taps in a kernel and P output positions, so one axis of each is enough.
"""

from __future__ import annotations

from functools import cache

from nncost.dims import Dim, Shape, exact_divide
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, BIASES, INPUT, ROWS, WEIGHTS, Card, Reading, Sizes, labelled
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Conv, ConvTranspose
from nncost.ir.library.conv import conv, conv_transpose

_GROUPED = {"G": "groups of channels"}
_SYMBOLS = {"W": "weights", "b": "biases", "x": "inputs", "y": "outputs"}


def read_conv(region: Region) -> tuple[Reading, ...]:
    """B examples, P output positions, M kernels on C channels, K taps in each kernel and channel."""
    x, weight, *bias = region.inputs
    (y,) = region.outputs
    groups = region.settings(Conv).groups
    values: tuple[Dim | Shape, ...] = (x.shape[0], y.shape[2:], y.shape[1], weight.shape[1], weight.shape[2:])
    card = conv_card(bool(bias), groups != 1)
    return (Reading(card, values if groups == 1 else (*values, groups)),)


@cache
def conv_card(bias: bool, grouped: bool) -> Card:
    """The card of a convolution in one, two or three dimensions."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        groups = sizes["G"] if grouped else 1
        x = b.input((sizes[BATCH], sizes["C"] * groups, sizes["P"] + sizes["K"] - 1))
        weight = b.parameter((sizes["M"], sizes["C"], sizes["K"]), "weight", "weight")
        shift = b.parameter((sizes["M"],), "bias", "bias") if bias else None
        conv(b, x, weight, shift, stride=[1], padding=[(0, 0)], dilation=[1], groups=groups)
        return labelled(x, weight, shift)

    text = "b_m + " if bias else ""
    return Card(
        title="convolution in groups" if grouped else "convolution",
        letters=ROWS
        | {
            "P": "positions in each output map (height × width)",
            "M": "kernels, each making one output map",
            "C": "input channels that a kernel sees",
            "K": "taps of a kernel in one channel (height × width)",
        }
        | (_GROUPED if grouped else {}),
        build=build,
        equations=(
            Maths(
                f"y_mp = {text}Σ_c Σ_k W_mck·x_c,p+k    for each map m, position p",
                rf"y_{{mp}} = {text}\sum_{{c=1}}^{{C}} \sum_{{k=1}}^{{K}} W_{{mck}}\,x_{{c,p+k}}",
            ),
        ),
        gradients=(
            Maths(
                "∂L/∂W_mck = Σ_p δ_mp·x_c,p+k    with δ = ∂L/∂y",
                r"\frac{\partial L}{\partial W_{mck}} = \sum_p \delta_{mp}\,x_{c,p+k}",
            ),
            *((Maths("∂L/∂b_m = Σ_p δ_mp", r"\frac{\partial L}{\partial b_m} = \sum_p \delta_{mp}"),) if bias else ()),
            Maths(
                "∂L/∂x_c,p+k gathers Σ_m W_mck·δ_mp",
                r"\frac{\partial L}{\partial x_{c,p+k}} \mathrel{+}= \sum_m W_{mck}\,\delta_{mp}",
            ),
        ),
        why={
            "mul": "each of the P·M outputs multiplies C·K inputs by C·K weights",
            "add": "each output sums C·K products and the bias: C·K additions"
            if bias
            else "each output sums C·K products: C·K − 1 additions",
        },
        why_backward={
            WEIGHTS: "each of the M·C·K weights sums over all positions of all examples",
            BIASES: "each bias sums over all positions of all examples",
            INPUT: "per tap a sum over the kernels, then one addition where windows overlap",
        },
        parameters="C·K weights in each of the M kernels, shared by all positions"
        + (", one bias per kernel" if bias else ", no biases"),
        saved="the convolutions' inputs x (for ∂L/∂W)",
        symbols=_SYMBOLS,
    )


def read_conv_transpose(region: Region) -> tuple[Reading, ...]:
    """B examples, Q input and P output positions, C input and M output channels, K taps."""
    x, weight, *bias = region.inputs
    (y,) = region.outputs
    groups = region.settings(ConvTranspose).groups
    values: tuple[Dim | Shape, ...] = (
        x.shape[0], x.shape[2:], x.shape[1], y.shape[1], weight.shape[2:], y.shape[2:],
    )  # fmt: skip
    card = conv_transpose_card(bool(bias), groups != 1)
    return (Reading(card, values if groups == 1 else (*values, groups)),)


@cache
def conv_transpose_card(bias: bool, grouped: bool) -> Card:
    """The card of a transposed convolution."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        groups = sizes["G"] if grouped else 1
        x = b.input((sizes[BATCH], sizes["C"], sizes["Q"]))
        width = exact_divide(sizes["M"], groups)
        weight = b.parameter((sizes["C"], width, sizes["K"]), "weight", "weight")
        shift = b.parameter((sizes["M"],), "bias", "bias") if bias else None
        surplus = sizes["Q"] + sizes["K"] - 1 - sizes["P"]
        conv_transpose(
            b, x, weight, shift,
            stride=[1], padding=[(0, surplus)], dilation=[1], output_padding=[0], groups=groups,
        )  # fmt: skip
        return labelled(x, weight, shift)

    return Card(
        title="transposed convolution" + (" in groups" if grouped else ""),
        letters=ROWS
        | {
            "Q": "positions in each input map",
            "C": "input channels",
            "M": "output channels",
            "K": "taps of a kernel in one channel",
            "P": "positions in each output map",
        }
        | (_GROUPED if grouped else {}),
        build=build,
        equations=(
            Maths(
                "y_m,q+k gathers Σ_c W_cmk·x_cq" + ("; then y_mp + b_m" if bias else ""),
                r"y_{m,q+k} \mathrel{+}= \sum_{c=1}^{C} W_{cmk}\,x_{cq}",
            ),
        ),
        gradients=(
            Maths(
                "∂L/∂W_cmk = Σ_q x_cq·δ_m,q+k    with δ = ∂L/∂y",
                r"\frac{\partial L}{\partial W_{cmk}} = \sum_q x_{cq}\,\delta_{m,q+k}",
            ),
            Maths(
                "∂L/∂x_cq = Σ_m Σ_k W_cmk·δ_m,q+k",
                r"\frac{\partial L}{\partial x_{cq}} = \sum_m \sum_k W_{cmk}\,\delta_{m,q+k}",
            ),
        ),
        why={
            "mul": "each input position spreads over K taps of the output channels",
            "add": "sums over the channels, then one addition per tap" + (", then the bias" if bias else ""),
        },
        why_backward={
            WEIGHTS: "each weight sums over all input positions of all examples",
            BIASES: "each bias sums over all positions of all examples",
            INPUT: "each input gathers from its K taps in the output channels",
        },
        parameters="K weights per pair of an input and an output channel"
        + (", one bias per output channel" if bias else ""),
        saved="the transposed convolutions' inputs x (for ∂L/∂W)",
        symbols=_SYMBOLS,
    )
