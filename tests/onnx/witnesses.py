"""What operators do in their examples: the arithmetic of the nodes that they became, and the notes of the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from nncost.counting.quantities import PRIMITIVE
from nncost.counting.rules import costs
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.frontends.onnx.lowering import full_name
from nncost.ir.graph import Node
from tests.onnx.examples import EXAMPLES
from tests.onnx.models import saved
from tests.onnx.official import node_cases


class Witness(NamedTuple):
    """Whether an operator has become nodes at all, the quantities that they count, and what was said of them."""

    nodes: int
    quantities: frozenset[str]
    notes: frozenset[str]


OFFICIAL = ("test_affine_grid_3d_align_corners_expanded", "test_loop16_seq_none")
"""ONNX's own cases of what examples do not show: branches and loops that data decide."""


def _models() -> Iterator[Any]:
    yield from (example.model() for example in EXAMPLES)
    yield from (case.model for case in node_cases() if case.name in OFFICIAL)


@cache
def witnesses() -> Mapping[str, Witness]:
    """Every operator of the examples."""
    nodes, quantities, notes = (
        defaultdict[str, int](int),
        defaultdict[str, set[str]](set),
        defaultdict[str, set[str]](set),
    )
    with TemporaryDirectory() as folder:
        for proto in _models():
            model = registry.load(saved(proto, Path(folder)), LoadOptions())
            for node in model.graph.nodes():
                kind = node.origin.partition(" ")[0].removeprefix("onnx.")
                nodes[kind] += 1
                quantities[kind] |= _counted(node)
            for called in proto.graph.node:
                notes[full_name(called.domain, called.op_type)] |= set(model.notes)
    return {
        kind: Witness(nodes[kind], frozenset(quantities[kind]), frozenset(notes[kind])) for kind in {*nodes, *notes}
    }


def _counted(node: Node) -> set[str]:
    amounts = costs(node.op, node.inputs, node.outputs)
    return {quantity for quantity, amount in amounts if quantity in PRIMITIVE and amount != 0}
