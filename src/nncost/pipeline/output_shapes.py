"""The output shape of each layer and operation of the forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nncost.dims import Shape
from nncost.frontends.model import Model
from nncost.ir import ops
from nncost.ir.graph import Item, Region
from nncost.records import record


@record
class OutputShapes:
    """Shapes ``by_layer``, in the order in which layers end, and, where the graph tells them, ``by_operation`` of a layer."""

    by_layer: Mapping[str, Shape]
    by_operation: Mapping[tuple[str, str], Shape] | None = None

    def of(self, path: str, op: str) -> Shape | None:
        """The shape of what an operation of a layer returns; None if it is not known."""
        return self.by_layer.get(path) if self.by_operation is None else self.by_operation.get((path, op))


def output_shapes(model: Model) -> OutputShapes:
    """The shapes of a model's layers: those that were seen as it ran, or else those of its graph."""
    if model.layer_outputs is not None:
        return OutputShapes(model.layer_outputs)
    by_layer: dict[str, Shape] = {}
    by_operation: dict[tuple[str, str], Shape] = {}
    for path, op, shape in _ended(model.graph.items, ""):
        by_layer.pop(path, None)
        by_layer[path] = by_operation[path, op] = shape
    return OutputShapes(by_layer, by_operation)


def _ended(items: Sequence[Item], outer: str) -> Iterator[tuple[str, str, Shape]]:
    """Each operation's layer, row and first output, in the order in which they end; a loop's body once."""
    for item in items:
        if isinstance(item, Region):
            name = outer or item.layer.name
            yield from _ended(item.items, name)
        else:
            name = outer or ops.operation_name(item.op)
            if isinstance(item.op, ops.Repeat):
                yield from _ended(item.op.body.items, outer)
                continue
            if isinstance(item.op, ops.Opaque) and item.outputs and not item.outputs[0].rank:
                continue  # Nothing says what shape an unknown operation gives.
        if item.outputs and item.phase == "forward":
            yield item.path, name, item.outputs[0].shape
