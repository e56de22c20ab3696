"""Dense layers, activations, softmax, dropout and flatten."""

from __future__ import annotations

from nncost.dims import product, shape_text
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.layers import Build, Context, affine, layer
from nncost.ir.graph import Tensor
from nncost.ir.library import activations, sequence


@layer("dense", ["n"], ["bias"], examples=["N, dense M", "N, dense M bias=no"])
def _dense(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """N outputs from the last axis."""
    width = a.size("n", "dense 10")
    if x.rank > 2:  # the batch and more than one axis
        c.note(
            f"dense works on the last axis of {shape_text(x.shape[1:])}; "
            f"flatten before it would use all {product(x.shape[1:])} values."
        )
    return affine(c.builder, x, width, bias=a.yes_or_no("bias", True))


@layer("flatten", examples=["CxHxW, flatten"])
def _flatten(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """All values of one example in a vector; changes nothing on a vector."""
    return c.builder.reshape(x, (x.shape[0], product(x.shape[1:])))


@layer("softmax")
def _softmax(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Probabilities over the last axis."""
    return activations.softmax(c.builder, x, layer=True)


@layer("log_softmax")
def _log_softmax(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Logarithms of probabilities over the last axis."""
    return activations.softmax(c.builder, x, layer=True, logarithm=True)


@layer("dropout", ["p"], examples=["N, dropout 0.5"])
def _dropout(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Zeroes a share P of its input in training."""
    a.required("p", "dropout 0.5")
    return sequence.dropout(c.builder, x, a.probability("p", 0.5))


def _activation(name: str) -> Build:
    def build(c: Context, x: Tensor, a: Arguments) -> Tensor:
        return activations.activation(c.builder, name, x)

    build.__doc__ = f"The activation {name} on every value."
    return build


for _name in activations.ACTIVATIONS:
    layer(_name)(_activation(_name))
