"""The matrix products that contractions are: how a device's seconds depend on more than their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nncost.dims import Dim, product, substitute
from nncost.ir import ops
from nncost.ir.graph import Tensor


class Product(NamedTuple):
    """``copies`` products of an m × k with a k × n matrix each, in one call.

    A dense layer has examples down and units across; a convolution positions down and feature maps across, groups as
    copies; attention has its heads and examples as copies.
    """

    m: Dim
    k: Dim
    n: Dim
    copies: Dim = 1

    @property
    def macs(self) -> Dim:
        """Multiplications of all copies."""
        return self.m * self.k * self.n * self.copies

    def at(self, sizes: Mapping[Dim, Dim]) -> Product:
        """The product with sizes for its symbols."""
        return Product(*(substitute(size, sizes) for size in self))

    def depends_on(self, index: Any) -> bool:
        """Whether a size depends on a symbol."""
        return index is not None and any(index in getattr(size, "free_symbols", ()) for size in self)


def product_of(op: ops.Contract, left: Tensor, right: Tensor) -> Product:
    """Return the matrix product that a contraction is.

    Indices of both operands and the output are copies; those of one operand and the output are rows or columns; those
    that the output does not have are summed.
    """
    lefts, rights, output = op.terms
    sizes = dict(zip(rights, right.shape, strict=True)) | dict(zip(lefts, left.shape, strict=True))
    rows: list[Dim] = []
    summed: list[Dim] = []
    columns: list[Dim] = []
    copies: list[Dim] = []
    for letter, size in sizes.items():
        if letter not in output:
            summed.append(size)
        elif letter in lefts and letter in rights:
            copies.append(size)
        else:
            (rows if letter in lefts else columns).append(size)
    return Product(*map(product, (rows, summed, columns, copies)))
