"""Sums of products by an equation, determinants, inverses and distances."""

from __future__ import annotations

from nncost.dims import is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.roles import product_of
from nncost.frontends.onnx.values import Computed, Derived, Stored, Unlowered
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import matrices
from nncost.ir.library.distances import distances_between
from nncost.ir.library.einsum import einsum

MICROSOFT = "com.microsoft"


@lowers("Einsum", since=12)
def _einsum(call: Call) -> Lowered:
    """Constants of the file that activations are multiplied by are weights; of one operand nothing is multiplied."""
    if not call.values:
        raise SourceError("it has no operands.")
    learned = [_is_weight(call, position) for position in range(len(call.values))]
    operands = [call.tensor(n, "weight") if is_weight else call.constant(n) for n, is_weight in enumerate(learned)]
    y = einsum(call.builder, call.attributes.text("equation", ""), operands, learned=any(learned))
    return product_of(call, y, learned=any(learned))


def _is_weight(call: Call, position: int) -> bool:
    value = call.values[position]
    if not isinstance(value, (Stored, Derived)) or "float" not in value.dtype or not value.shape:
        return False
    if call.walk.tensors.inherited:
        return True
    return any(isinstance(other, Computed) and other.activation for other in call.values)


def _square(call: Call) -> Tensor:
    x = call.tensor(0)
    if x.rank < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"it takes square matrices, received {x.shape}.")
    if is_symbolic(x.shape[-1]):
        raise Unlowered("matrices of a symbolic size")
    return x


@lowers("Det", since=11)
def _determinant(call: Call) -> Tensor:
    return matrices.determinant(call.builder, _square(call))


@lowers("Inverse", domain=MICROSOFT)
def _inverse(call: Call) -> Tensor:
    return matrices.inverse(call.builder, _square(call))


@lowers("CDist", domain=MICROSOFT)
def _distances(call: Call) -> Tensor:
    """Every row of one matrix with every row of another: euclidean distances, or their squares."""
    x, y, b = call.ranked(0, 2, 2), call.ranked(1, 2, 2), call.builder
    metric = call.attributes.text("metric", "sqeuclidean")
    if metric == "euclidean":
        return distances_between(b, x, y, 2.0)
    if metric != "sqeuclidean":
        raise Unlowered(f"the distance {metric!r}")
    with b.region(Operation("cdist"), x, y) as region:
        difference = b.map("sub", b.unsqueeze(x, 1), b.unsqueeze(y, 0))
        region.returns(b.reduce("sum", b.map("square", difference), [2]))
    return region.outputs[0]
