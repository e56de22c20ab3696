"""The standard's operator for gradients: the derived backward pass of what stands before it."""

from __future__ import annotations

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, follows_bodies
from nncost.frontends.onnx.values import Computed, Unlowered
from nncost.ir.autodiff import differentiate
from nncost.ir.graph import Tensor, walk
from nncost.records import replace


@follows_bodies("ai.onnx.preview.training.Gradient")
def _gradient(call: Call) -> Lowered:
    """∂Σy/∂x for each of ``xs``, at the values that the graph has for them: those are its operands.

    The file runs it in its forward pass, as any other node.
    """
    b, a = call.builder, call.attributes
    names = [*(a.texts("xs") or []), *(a.texts("zs") or [])]
    if list(call.node.input) != names:
        raise Unlowered("gradients at other values than those that the graph has")
    y = _tensor(call, a.text("y", ""))
    wanted = {_tensor(call, name): b.path for name in a.texts("xs") or []}
    ones = b.full(y.shape, 1.0, y.dtype)
    before = list(b.items)
    found, forward = differentiate(b, before, [(y, ones)], wanted)
    b.items[:] = [*forward, *(replace(node, path=b.path, phase="forward") for node in walk(b.items[len(before) :]))]
    return tuple(found.get(x) or b.full(x.shape, 0.0, x.dtype) for x in wanted)


def _tensor(call: Call, name: str) -> Tensor:
    value = call.walk.named(name)
    if not isinstance(value, Computed):
        raise SourceError(f"{name!r} is no tensor that the graph computes, so that it has no gradient.")
    return value.tensor
