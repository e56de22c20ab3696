"""``--taps valid``: convolutions without the products that fall on padding.

The number of valid taps along one axis is the number of pairs (position, tap) whose element lies
inside the unpadded input. The axes are independent, so the pairs of a convolution are a product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, is_symbolic, product
from nncost.errors import OptionError, SymbolError
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Tensor, walk

Axis = tuple[int, int, int, int, int, int]
"""Positions, taps, stride, dilation, padding before, length of the unpadded axis."""

MAX_TAPS = 1_000_000
"""Far above any kernel; keeps a count from running for hours."""


class ValidTaps:
    """Finds the padding before each Window and behind each Fold of a list of items."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._producer: dict[Tensor, Node] = {}
        self._consumer: dict[Tensor, Node] = {}
        for node in walk(items):
            self._producer.update((tensor, node) for tensor in node.outputs)
            for tensor in node.inputs:
                self._consumer.setdefault(tensor, node)

    def costs(self, node: Node) -> list[tuple[Quantity, Dim]] | None:
        """The counts of a contraction or fold that padding touches; None where there is no padding."""
        if isinstance(node.op, ops.Contract):
            return self._contraction(node, node.op)
        if isinstance(node.op, ops.Fold):
            share = self._folded_axes(node)
            return None if share is None else [("add", _scaled(node.inputs[0].elements, share))]
        return None

    def axes_of(self, node: Node) -> list[Axis] | None:
        """The padded axes that a contraction or a fold sums along; None where there is no padding."""
        if isinstance(node.op, ops.Fold):
            return self._folded_axes(node)
        if not isinstance(node.op, ops.Contract):
            return None
        for tensor in node.inputs:
            window = self._window_behind(tensor)
            axes = None if window is None else self._windowed_axes(window)
            if axes is not None:
                return axes
        fold = self._fold_ahead(node.outputs[0])
        return None if fold is None else self._folded_axes(fold)

    def _contraction(self, node: Node, op: ops.Contract) -> list[tuple[Quantity, Dim]] | None:
        for tensor, letters in zip(node.inputs, op.terms, strict=False):
            window = self._window_behind(tensor)
            axes = None if window is None else self._windowed_axes(window)
            if axes is not None:
                products = _scaled(_all_products(node, op), axes)
                keeps_taps = letters[-1] in op.terms[2]
                sums = _touched(node.outputs[0].elements, axes, keeps_taps=keeps_taps)
                return [("mul", products), ("macs", products), ("add", products - sums)]
        fold = self._fold_ahead(node.outputs[0])
        axes = None if fold is None else self._folded_axes(fold)
        if axes is None:
            return None
        products = _scaled(_all_products(node, op), axes)
        sums = _scaled(node.outputs[0].elements, axes)
        return [("mul", products), ("macs", products), ("add", products - sums)]

    def _window_behind(self, tensor: Tensor) -> Node | None:
        node = self._producer.get(tensor)
        while node is not None and isinstance(node.op, ops.Reshape):
            node = self._producer.get(node.inputs[0])
        return node if node is not None and isinstance(node.op, ops.Window) else None

    def _fold_ahead(self, tensor: Tensor) -> Node | None:
        node = self._consumer.get(tensor)
        while node is not None and isinstance(node.op, ops.Reshape):
            node = self._consumer.get(node.outputs[0])
        return node if node is not None and isinstance(node.op, ops.Fold) else None

    def _windowed_axes(self, window: Node) -> list[Axis] | None:
        op, padding = window.op, self._producer.get(window.inputs[0])
        if padding is None or not isinstance(padding.op, ops.Pad) or not isinstance(op, ops.Window):
            return None
        taps = window.outputs[0].shape[window.inputs[0].rank :]
        return _axes(op, window.outputs[0].shape, taps, padding.op.before, padding.inputs[0].shape)

    def _folded_axes(self, fold: Node) -> list[Axis] | None:
        op, crop = fold.op, self._consumer.get(fold.outputs[0])
        if crop is None or not isinstance(crop.op, ops.Pad) or not isinstance(op, ops.Fold):
            return None
        taps = fold.inputs[0].shape[fold.outputs[0].rank :]
        before = tuple(-width for width in crop.op.before)
        return _axes(op, fold.inputs[0].shape, taps, before, crop.outputs[0].shape)


def _axes(
    op: ops.Window | ops.Fold,
    positions: Sequence[Dim],
    taps: Sequence[Dim],
    before: Sequence[Dim],
    length: Sequence[Dim],
) -> list[Axis]:
    result: list[Axis] = []
    for number, axis in enumerate(op.axes):
        values = (positions[axis], taps[number], op.strides[number], op.dilations[number], before[axis], length[axis])
        for value in values:
            if is_symbolic(value):
                raise SymbolError(
                    f"--taps valid needs numbers, received the size {value}", hint="Bind it with --symbol."
                )
        result.append(values)
    return result


def _all_products(node: Node, op: ops.Contract) -> Dim:
    left, right, _ = op.terms
    sizes = dict(zip(left + right, node.inputs[0].shape + node.inputs[1].shape, strict=True))
    return product(sizes.values())


def _scaled(total: Dim, axes: Sequence[Axis]) -> Dim:
    """``total`` taps reduced to those that meet an element: exact, axis by axis."""
    for axis in axes:
        positions, taps, *_ = axis
        total = total // (positions * taps) * valid_pairs(axis)
    return total


def valid_pairs(axis: Axis) -> int:
    """Return how many pairs of a position and a tap meet an element of the unpadded axis."""
    return sum(_valid_positions(axis))


def _touched(outputs: Dim, axes: Sequence[Axis], *, keeps_taps: bool) -> Dim:
    """The sums with at least one product: those of positions (or taps, in a weight gradient) beside the padding."""
    for axis in axes:
        positions, taps, *_ = axis
        if keeps_taps:
            outputs = outputs // taps * sum(1 for first, last in _valid_ranges(axis) if first <= last)
        else:
            outputs = outputs // positions * _union(_valid_ranges(axis))
    return outputs


def _valid_positions(axis: Axis) -> Iterator[int]:
    """For each tap, the number of positions where it meets an element of the unpadded axis."""
    return (max(0, last - first + 1) for first, last in _valid_ranges(axis))


def _valid_ranges(axis: Axis) -> Iterator[tuple[int, int]]:
    """For each tap, the first and the last position where it meets an element; reversed where there is none."""
    positions, taps, stride, dilation, before, length = axis
    if taps > MAX_TAPS:
        raise OptionError(f"--taps valid counts tap by tap, up to {MAX_TAPS:,} on an axis; received {taps}")
    for tap in range(taps):
        offset = tap * dilation - before
        yield max(0, -(offset // stride)), min(positions - 1, (length - 1 - offset) // stride)


def _union(ranges: Iterator[tuple[int, int]]) -> int:
    """How many positions lie in at least one range."""
    count, reached = 0, -1
    for first, last in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if last > reached:
            count += last - max(first, reached + 1) + 1
            reached = last
    return count
