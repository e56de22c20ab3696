"""The table of spec layers: their signatures, what each of them needs, and how one is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nncost.dims import Dim, shape_text
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.grammar import Layer, Word
from nncost.frontends.spec.layer_names import layer_named, layer_near
from nncost.frontends.spec.sizes import Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.dense import dense
from nncost.names import meant
from nncost.records import record

MAX_LAYERS, MAX_SYMBOLIC_LAYERS = 2_000, 400
"""Layers one spec may write out, without and with symbols; a block repeated with ``*N`` counts once."""
MAX_SIZE_OPERATIONS = 32
"""Operations in the formula of a size: ten convolutions with a stride, one after another, on a symbol."""

Build = Callable[["Context", Tensor, Arguments], Tensor]


@dataclass(slots=True)
class Context:
    """What every layer needs: the builder, the readers of sizes, notes for the reader."""

    builder: Builder
    sizes: Sizes
    notes: list[str]
    layers: int = 0

    def begin_layer(self, word: Word) -> None:
        """Note that a layer is written out. Raise SpecError if there are too many for a quick answer."""
        self.layers += 1
        limit = MAX_SYMBOLIC_LAYERS if self.sizes.open_names else MAX_LAYERS
        if self.layers > limit:
            kind = "layers of symbolic sizes" if self.sizes.open_names else "layers"
            raise self.sizes.error(f"a spec may write out {limit:,} {kind}", word, hint="Repeat equal ones with *N.")

    def check_size(self, x: Tensor, word: Word) -> None:
        """Raise SpecError if the formula of a size has grown too long to work with."""
        for dim in x.shape:
            if not isinstance(dim, int) and dim.count_ops() > MAX_SIZE_OPERATIONS:
                raise self.sizes.error(
                    "the formula of the output's size is too long", word, hint="Write a number for the input's size."
                )

    def note(self, sentence: str) -> None:
        """Tell the reader something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def scratch(self) -> Context:
        """A context for trying a block out, whose graph is thrown away."""
        b = Builder(dtype=self.builder.dtype, training=self.builder.training)
        return Context(b, self.sizes, [], self.layers)


@record
class LayerKind:
    """A layer's signature and builder; ``examples`` are the smallest specs that show it, with symbols for the sizes."""

    name: str
    positional: Sequence[str]
    options: Sequence[str]
    flags: Sequence[str]
    build: Build
    summary: str
    examples: Sequence[str]


LAYERS: dict[str, LayerKind] = {}
"""Every layer by name, once the package ``kinds`` is imported."""


def layer(
    name: str,
    positional: Sequence[str] = (),
    options: Sequence[str] = (),
    flags: Sequence[str] = (),
    *,
    examples: Sequence[str] = (),
) -> Callable[[Build], Build]:
    """Register a layer of the spec language; without ``examples`` it is shown behind an input of N values.

    Sizes in examples are single capitals; the table of the cost model and the self-counting proof are made from them.
    """

    def register(build: Build) -> Build:
        summary = (build.__doc__ or "").split("\n")[0]
        shown = examples or (f"N, {name}",)
        LAYERS[name] = LayerKind(name, positional, options, flags, build, summary, shown)
        return build

    return register


def build_layer(context: Context, x: Tensor, node: Layer) -> Tensor:
    """Emit one layer. Raise SpecError under the layer's name for what does not fit."""
    kind = _kind(context, x, node)
    context.begin_layer(node.name)
    arguments = Arguments(context.sizes, node, kind.positional, kind.options, kind.flags)
    with context.builder.layer(kind.name):
        y = kind.build(context, x, arguments)
    context.check_size(y, node.name)
    return y


_SAID_TWICE = ("activation", "act", "layer")


def _kind(context: Context, x: Tensor, node: Layer) -> LayerKind:
    """The kind of a layer. Raise SpecError for a name that is none, or that tells another number of axes than the input has."""
    word = node.name
    found = layer_named(word.text, LAYERS)
    if found is None:
        close = layer_near(word.text, LAYERS)
        hint = f"Layers: {', '.join(LAYERS)}, residual[…]."
        if word.text.isdigit():
            raise context.sizes.error(
                f"{word.text} is a number, not a layer", word,
                hint=f"A layer of {word.text} outputs is dense {word.text}. {hint}", meant=f"dense {word.text}",
            )  # fmt: skip
        if meant(word.text, _SAID_TWICE) and node.arguments:
            close = ""  # what stands behind it is the layer
        hint = f"Did you mean {close!r}? {hint}" if close else hint
        raise context.sizes.error(f"unknown layer {word.text!r}", word, hint=hint, meant=close)
    if found.axes is not None and x.rank > 2 and x.rank != found.axes + 2:
        raise context.sizes.error(
            f"{word.text} has {found.axes} spatial axes, its input {shape_text(x.shape[1:])} has {x.rank - 2}", word,
            hint=f"{found.name} takes the axes of its input.", meant=found.name,
        )  # fmt: skip
    return LAYERS[found.name]


def needs(a: Arguments, x: Tensor, rank: Sequence[int], form: str, context: Context) -> None:
    """Raise SpecError if the input has another number of axes than the layer takes."""
    if x.rank not in rank:
        kind = layer_named(a.layer.name.text, LAYERS)
        example = "" if kind is None else f"For example:  {LAYERS[kind.name].examples[0]}"
        raise context.sizes.error(
            f"{a.layer.name.text} needs an input of the form {form}, received {shape_text(x.shape[1:])}",
            a.layer.name,
            hint=example or None,
        )


def affine(b: Builder, x: Tensor, width: Dim, *, bias: bool) -> Tensor:
    """A dense layer with new parameters at the builder's path."""
    weight = b.parameter((width, x.shape[-1]), "weight", "weight")
    return dense(b, x, weight, b.parameter((width,), "bias", "bias") if bias else None)
