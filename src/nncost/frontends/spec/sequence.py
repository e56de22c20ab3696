"""The comma form: an input shape, then layers, blocks, residuals and repeats."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, Shape, same_shape, shape_text
from nncost.errors import NncostError, SpecError
from nncost.frontends.spec.grammar import Block, CommaForm, Item, Layer, Word
from nncost.frontends.spec.layer_names import layer_named
from nncost.frontends.spec.layers import LAYERS, Context, build_layer
from nncost.frontends.spec.sizes import number_or_none
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.names import meant, nearest

BLOCKS = ("residual",)
_BLOCK_ALIASES = {"skip": "residual", "res": "residual", "shortcut": "residual", "residual_block": "residual"}
MAX_UNROLLED = 500
"""Repetitions that are written out where a block never keeps its shape."""


class SequenceBuilder:
    """Emits the items of a comma-form spec."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._outcomes: dict[tuple[Block | Layer, Shape], Shape] = {}

    def build(self, spec: CommaForm, batch: Dim) -> Tensor:
        """The whole network; the first layer decides whether the input holds indices."""
        shape = self.context.sizes.shape(spec.shape)
        dtype = "int64" if _starts_with_embedding(spec.items) else None
        x = self.context.builder.input((batch, *shape), dtype=dtype, name="x")
        return self._items(self.context, x, spec.items)

    def _items(self, context: Context, x: Tensor, items: Sequence[Item]) -> Tensor:
        for item in items:
            x = self._item(context, x, item)
        return x

    def _item(self, context: Context, x: Tensor, item: Item) -> Tensor:
        if item.count is None:
            return self._once(context, x, item.what)
        times = context.sizes.size(item.count, "the number of repetitions")
        with context.builder.layer("repeat"):
            return self._repeated(context, x, item, times)

    def _once(self, context: Context, x: Tensor, what: Block | Layer) -> Tensor:
        word = what.name or Word("[", 0)
        try:
            if isinstance(what, Layer):
                return build_layer(context, x, what)
            if what.name is None:
                return self._items(context, x, what.items)
            if meant(what.name.text, BLOCKS, _BLOCK_ALIASES) is None:
                raise context.sizes.error(
                    f"unknown block {what.name.text!r}", what.name, hint="Blocks: […] and residual[…].",
                    meant=nearest(what.name.text, BLOCKS, _BLOCK_ALIASES) or "",
                )  # fmt: skip
            return self._residual(context, x, what)
        except SpecError:
            raise
        except NncostError as error:
            raise context.sizes.error(error.message, word, hint=error.hint) from None

    def _residual(self, context: Context, x: Tensor, block: Block) -> Tensor:
        b = context.builder
        with b.layer("residual"):
            inner = self._items(context, x, block.items)
            if not same_shape(inner.shape, x.shape):
                raise context.sizes.error(
                    f"residual adds its input {shape_text(x.shape[1:])} to {shape_text(inner.shape[1:])}",
                    block.name or Word("[", 0),
                    hint="The block inside must keep the shape.",
                )
            with b.region(Operation("residual"), x, inner) as region:
                region.returns(b.map("add", inner, x))
            return region.outputs[0]

    def _repeated(self, context: Context, x: Tensor, item: Item, times: Dim) -> Tensor:
        """Iterations of another shape are written out first, the rest is one Repeat."""
        assert item.count is not None
        written = 0
        while times != 0 and not same_shape(self._outcome(context, x, item.what), x.shape):
            number = number_or_none(times)
            if (number is None and written) or written >= MAX_UNROLLED:
                raise context.sizes.error(
                    "the block changes its shape every time, so it cannot be repeated "
                    + ("by a symbol" if number is None else f"more than {MAX_UNROLLED:,} times"),
                    item.count,
                )
            x = self._once(context, x, item.what)
            times, written = times - 1, written + 1
        if times == 0:
            return x
        if times == 1:
            return self._once(context, x, item.what)

        def step(body: Builder, carried: list[Tensor], _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            inner = Context(body, context.sizes, context.notes, context.layers)
            result = self._once(inner, carried[0], item.what)
            context.layers = inner.layers
            return [result], []

        finals, _ = context.builder.repeat(times, [x], step)
        return finals[0]

    def _outcome(self, context: Context, x: Tensor, what: Block | Layer) -> Shape:
        """The shape a block gives, found by building it once on the side."""
        key = (what, x.shape)
        if key not in self._outcomes:
            scratch = context.scratch()
            self._outcomes[key] = self._once(scratch, Tensor(x.shape, x.dtype), what).shape
            context.layers = scratch.layers
        return self._outcomes[key]


def _starts_with_embedding(items: Sequence[Item]) -> bool:
    first = items[0].what
    if isinstance(first, Block):
        return _starts_with_embedding(first.items)
    found = layer_named(first.name.text, LAYERS)
    return found is not None and found.name == "embedding"
