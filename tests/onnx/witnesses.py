"""What operators do in their examples: the arithmetic of the nodes that they became, and the notes of the files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from nncost.counting.quantities import PRIMITIVE
from nncost.counting.rules import costs
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.onnx.lowering import full_name
from nncost.ir import ops
from nncost.ir.graph import Node
from tests.onnx.examples import EXAMPLES
from tests.onnx.models import saved
from tests.onnx.official import node_cases


class Witness(NamedTuple):
    """The nodes that an operator became, the quantities that they count, and what was said of the files."""

    nodes: int
    unknown: int
    quantities: frozenset[str]
    notes: frozenset[str]


OFFICIAL = ("test_affine_grid_3d_align_corners_expanded", "test_loop16_seq_none")
"""ONNX's own cases of what examples do not show: branches and loops that data decide."""


@cache
def witnesses() -> Mapping[str, Witness]:
    """Every operator of the examples."""
    nodes, unknown = Counter[str](), Counter[str]()
    quantities, notes = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    with TemporaryDirectory() as folder:
        for proto in (example.model() for example in EXAMPLES):
            for node in _read(proto, folder, notes).graph.nodes():
                kind = node.origin.partition(" ")[0].removeprefix("onnx.")
                nodes[kind] += 1
                unknown[kind] += isinstance(node.op, ops.Opaque)
                quantities[kind] |= _counted(node)
        for case in (case for case in node_cases() if case.name in OFFICIAL):
            _read(case.model, folder, notes)
    kinds = {*nodes, *notes}
    return {
        kind: Witness(nodes[kind], unknown[kind], frozenset(quantities[kind]), frozenset(notes[kind])) for kind in kinds
    }


def _read(proto: Any, folder: str, notes: Mapping[str, set[str]]) -> Model:
    model = registry.load(saved(proto, Path(folder)), LoadOptions())
    for node in proto.graph.node:
        notes[full_name(node.domain, node.op_type)].update(model.notes)
    return model


def _counted(node: Node) -> set[str]:
    amounts = costs(node.op, node.inputs, node.outputs)
    return {quantity for quantity, amount in amounts if quantity in PRIMITIVE and amount != 0}
