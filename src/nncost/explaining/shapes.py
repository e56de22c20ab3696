"""Shapes from layer to layer: how the size of each output follows from that of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.counting.taps import ValidTaps, valid_pairs
from nncost.dims import Dim, Shape, is_symbolic, product, same, shape_text
from nncost.documents.document import Block, Cell, Heading, Line, Maths, Paragraph, Table
from nncost.explaining.context import Context
from nncost.explaining.derivation import count_item
from nncost.explaining.executed import Executed
from nncost.explaining.topics import Topic
from nncost.explaining.working import MERGED_FROM, gathered, kind, named
from nncost.ir.graph import Region, Tensor, walk
from nncost.ir.layers import AdaptivePool, Conv, ConvTranspose, Dense, GlobalPool, MatMul, Pool
from nncost.notation.written import joined, tidied, written
from nncost.records import record, replace

Windowed = Conv | Pool


@record
class _Row:
    """A layer, its output's shape, why it has it, and how often the layer stands there."""

    path: str
    shape: Shape
    reason: Cell
    times: Dim = 1


@record
class _Axis:
    """One axis of a window: size of the input, padding on both sides, dilation, taps, stride, size of the output."""

    size: Dim
    padding: Dim
    dilation: int
    taps: Dim
    stride: int
    output: Dim


def shapes(context: Context, topic: Topic) -> list[Block]:
    """Return the output shape of every layer, and the arithmetic of those that change it."""
    rows = list(_rows(context))
    has_windows = any(isinstance(region.layer, (Conv, Pool)) for _, region in _regions(context))
    table = Table(("layer", "output", "because"), tuple(_merged(rows)), align="lll")
    return [*([Paragraph(_WINDOW_RULE)] if has_windows else []), table, *padding(context)]


def _rows(context: Context) -> Iterator[_Row]:
    """The input and every layer, whose last operation that changes the shape says why it has it."""
    shape: Shape = next(iter(context.report.source.inputs.values()), ())
    outputs = {(row.path, row.op): row.output for row in context.report.rows if row.phase == "forward"}
    row = _Row("input", shape, "")
    for work, region in _regions(context):
        flat = _flattened(shape, region)
        path, shape = work.place[0], region.outputs[0].shape
        shown = outputs.get(work.place[:2]) or shape
        reason = _reason(region)
        is_another = reason == _AS_BEFORE and not same_shapes(row.shape, shown)
        if is_another or (isinstance(region.layer, (Dense, MatMul)) and not same(shown[-1], shape[-1])):
            reason = ""
        if row.path == path:
            row = row if reason in ("", _AS_BEFORE) else replace(row, shape=shown, reason=reason)
            continue
        yield row
        if flat is not None:
            yield _Row("flattened", region.inputs[0].shape, flat)
        row = _Row(path, shown, reason, work.times)
    yield row


def _merged(rows: Sequence[_Row]) -> Iterator[tuple[Cell, ...]]:
    """The rows as cells; layers that differ by the numbers in their paths alone share one."""
    alike: dict[tuple[object, ...], list[_Row]] = {}
    for row in rows:
        reason = "" if row.reason == _AS_BEFORE else row.reason
        alike.setdefault((kind(row.path), row.shape, reason, row.times), []).append(row)
    for group in alike.values():
        for members in [group] if len(group) >= MERGED_FROM else [[row] for row in group]:
            name = named([row.path for row in members])
            times = "" if members[0].times == 1 else f" ×{tidied(members[0].times).text}"
            reasons = {row.reason for row in members}
            yield name + times, shape_text(members[0].shape), reasons.pop() if len(reasons) == 1 else ""


_AS_BEFORE = "as before"
_WINDOW_RULE = (
    "A window of k taps that moves s positions at a time over n values with p zeros on both sides together, its taps d "
    "apart, has ⌊(n + p − d·(k − 1) − 1)/s⌋ + 1 positions."
)


def _regions(context: Context) -> Iterator[tuple[Executed, Region]]:
    """The layers of the forward pass."""
    for work in context.accounts.executed:
        if work.place[2] == "forward" and work.place[0] and isinstance(work.item, Region) and work.item.outputs:
            yield work, work.item


# ------------------------------------------------------------------- reasons
def _flattened(before: Shape, region: Region) -> Maths | None:
    """``16·5·5 = 400`` if a dense layer reads all values of an example as one row."""
    if not isinstance(region.layer, (Dense, MatMul)) or not region.inputs or len(before) < 3:
        return None
    x = region.inputs[0].shape
    is_row = len(x) == 2 and not same(before[-1], x[-1]) and same(product(before[1:]), x[-1])
    return _equals(joined([written(dim) for dim in before[1:]], "·", r" \cdot "), x[-1]) if is_row else None


def _equals(numbers: Maths, result: Dim) -> Maths:
    return joined([numbers, tidied(result)], " = ", " = ")


def _reason(region: Region) -> Cell:
    """Why the output has its size."""
    layer, x = region.layer, region.inputs[0] if region.inputs else None
    if x is None:
        return ""
    if isinstance(layer, (Conv, Pool)):
        return _windows(region, layer, x)
    if isinstance(layer, ConvTranspose):
        return _spread(region, layer, x)
    if isinstance(layer, (GlobalPool, AdaptivePool)):
        return "all positions of a channel as one" if isinstance(layer, GlobalPool) else "as many windows as asked for"
    if isinstance(layer, (Dense, MatMul)):
        return f"{tidied(region.outputs[0].shape[-1]).text} neurons"
    return "" if not same_shapes(x.shape, region.outputs[0].shape) else _AS_BEFORE


def same_shapes(left: Shape, right: Shape) -> bool:
    """Return whether two shapes are equal for all values of their symbols."""
    return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))


def _windows(region: Region, layer: Windowed, x: Tensor) -> Cell:
    """The rule with the numbers of each axis; equal axes once."""
    taps = region.inputs[1].shape[2:] if isinstance(layer, Conv) else layer.kernel
    output = region.outputs[0].shape[2:]
    axes = [
        _Axis(n, before + after, d, k, s, out)
        for n, (before, after), d, k, s, out in zip(
            x.shape[2:], layer.padding, layer.dilations, taps, layer.strides, output, strict=True
        )
    ]
    parts = [_positions(axis) for axis in dict.fromkeys(axes)]
    return joined([part for part in parts if part is not None], ", ", r",\; ") if all(parts) else ""


def _positions(axis: _Axis) -> Maths | None:
    """``⌊(32 + 2 − 1·(3 − 1) − 1)/1⌋ + 1 = 32``; None where another rule gave the size."""
    sizes = (axis.size, axis.padding, axis.taps, axis.output)
    if any(is_symbolic(size) for size in sizes):
        return None
    inside = axis.size + axis.padding - axis.dilation * (axis.taps - 1) - 1
    if inside // axis.stride + 1 != axis.output:
        return None
    n, p, k = (written(size) for size in (axis.size, axis.padding, axis.taps))
    d, s, out = axis.dilation, axis.stride, written(axis.output)
    return Maths(
        f"⌊({n.text} + {p.text} − {d}·({k.text} − 1) − 1)/{s}⌋ + 1 = {out.text}",
        rf"\lfloor ({n.latex} + {p.latex} - {d} \cdot ({k.latex} - 1) - 1)/{s} \rfloor + 1 = {out.latex}",
    )


def _spread(region: Region, layer: ConvTranspose, x: Tensor) -> Cell:
    """``(n − 1)·s + d·(k − 1) + 1 − p`` for each axis of a transposed convolution."""
    taps, output = region.inputs[1].shape[2:], region.outputs[0].shape[2:]
    parts: dict[Maths, None] = {}
    axes = zip(x.shape[2:], layer.crop, layer.dilations, taps, layer.strides, output, strict=True)
    for n, (before, after), d, k, s, out in axes:
        if any(is_symbolic(size) for size in (n, before, after, k, out)):
            return ""
        if (n - 1) * s + d * (k - 1) + 1 - before - after != out:
            return ""
        size, taken = written(n), written(before + after)
        parts[
            Maths(
                f"({size.text} − 1)·{s} + {d}·({k} − 1) + 1 − {taken.text} = {written(out).text}",
                rf"({size.latex} - 1) \cdot {s} + {d} \cdot ({k} - 1) + 1 - {taken.latex} = {written(out).latex}",
            )
        ] = None
    return joined(list(parts), ", ", r",\; ")


# ------------------------------------------------------------------- padding
def padding(context: Context) -> list[Block]:
    """Return how many products of each convolution fall on zeros of its padding."""
    lines = []
    for work, region in _regions(context):
        found = _on_zeros(work, region)
        if found is not None:
            lines.append(found)
    if not lines:
        return []
    counted = context.settings.taps
    text = (
        "Near the border a kernel lies on zeros of the padding. Along an axis only some pairs of a position and a tap "
        "meet a value. Each line: all products, less those pairs along each axis times all else (examples, channels and "
        "kernels). "
        + ("--taps valid leaves them out." if counted == "dense" else "They are left out here (--taps valid).")
    )
    return [Heading("Products with zeros of the padding"), Paragraph(text), gathered(lines)]


def _on_zeros(work: Executed, region: Region) -> tuple[Line, Dim] | None:
    """All products of a convolution less those with a value."""
    if not isinstance(region.layer, Conv) or any(is_symbolic(dim) for tensor in region.inputs for dim in tensor.shape):
        return None
    every = count_item(region, set(work.constants)).get("macs", 0)
    valid = count_item(region, set(work.constants), valid_taps=True).get("macs", 0)
    if every == valid:
        return None
    taps = ValidTaps([region])
    axes = next((found for node in walk([region]) if (found := taps.axes_of(node)) is not None), [])
    pairs = [valid_pairs(axis) for axis in axes]
    rest, left = divmod(int(valid), int(product(pairs)))
    numbers = joined([written(pair) for pair in (*pairs, rest)], "·", r" \cdot ") if not left else tidied(valid)
    amount = (every - valid) * work.times
    line = Line(work.place[0], None, joined([tidied(every), numbers], " − ", " - "), tidied(every - valid))
    return (line, every - valid) if work.times == 1 else (Line(work.place[0], None, None, tidied(amount)), amount)
