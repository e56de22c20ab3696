"""Products of matrices and vectors under all their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.torch.cases.case import Case, Function, Inputs, Learned, random

Shape = tuple[int, ...]


def learned(
    name: str,
    function: Callable[..., Any],
    shapes: tuple[Shape, ...],
    inputs: tuple[Shape, ...],
    forward: int,
    backward: int,
    note: str,
    *,
    give: Callable[[], Inputs] | None = None,
    dtype: torch.dtype | None = None,
    **readings: tuple[int, ...],
) -> Case:
    """``function(*learned, *inputs)``; roles of loose tensors are not certain."""
    return Case(
        name=name,
        build=lambda: Learned(function, *shapes, dtype=dtype),
        inputs=give or random(*inputs),
        parameters=sum(torch.Size(shape).numel() for shape in shapes),
        weights=None,
        biases=None,
        forward_macs=forward,
        backward_macs=backward,
        note=note,
        **readings,
    )


def plain(
    name: str, function: Callable[..., Any], inputs: tuple[Shape, ...], forward: int, note: str, **more: Any
) -> Case:
    """Only inputs: nothing learned, no gradient."""
    return Case(
        name=name,
        build=lambda: Function(function),
        inputs=random(*inputs),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=forward,
        backward_macs=0,
        note=note,
        **more,
    )


def spelled(spec: str) -> Callable[..., Tensor]:
    """einsum of this spec."""
    return lambda *operands: torch.einsum(spec, *operands)


def power(exponent: int) -> Callable[[Tensor], Tensor]:
    return lambda a: torch.linalg.matrix_power(a, exponent)


A, B, C, D, E = 3, 4, 5, 6, 7
ONE_TERM = " The gradient of a product of vectors has sums of one term (an outer product); without these: the reading."

CASES: tuple[Case, ...] = (
    # Two matrices, batches of them, and the forms that add something.
    learned("matmul", lambda w, x: x @ w, ((B, C),), ((A, B),), A * B * C, A * B * C, "A·B·C; the weight's gradient as many."),
    learned("matmul_both_learned", torch.matmul, ((A, B), (B, C)), (), A * B * C, 2 * A * B * C, "Both operands' gradients."),
    learned("matmul_batched_by_shared", lambda w, x: x @ w, ((B, C),), ((2, A, B),), 2 * A * B * C, 2 * A * B * C,
            "A stack times one matrix."),
    learned("matmul_broadcast_both", lambda w, x: x @ w, ((D, 1, B, C),), ((2, A, B),), D * 2 * A * B * C, D * 2 * A * B * C,
            "Stacks (2) and (D, 1) broadcast to (D, 2); the gradient is multiplied before it is summed over the broadcast axis."),
    learned("matmul_shared_by_batched", lambda w, x: w @ x, ((A, B),), ((2, B, C),), 2 * A * B * C, 2 * A * B * C,
            "One matrix times a stack; its gradient sums over the stack."),
    learned("matmul_vector_matrix", lambda w, x: x @ w, ((B, C),), ((B,),), B * C, B * C, "A row times a matrix: B·C.",
            backward_readings=(0,)),
    learned("matmul_matrix_vector", lambda w, x: w @ x, ((A, B),), ((B,),), A * B, A * B, "A matrix times a column." + ONE_TERM,
            backward_readings=(0,)),
    learned("matmul_stack_vector", lambda w, x: x @ w, ((B,),), ((2, A, B),), 2 * A * B, 2 * A * B,
            "A stack of matrices times a learned vector; its gradient is a matrix by a vector."),
    learned("matmul_dot", lambda w, x: w @ x, ((B,),), ((B,),), B, B, "Two vectors: B." + ONE_TERM, backward_readings=(0,)),
    learned("mm", torch.mm, ((A, B),), ((B, C),), A * B * C, A * B * C, "A·B·C."),
    learned("bmm", torch.bmm, ((2, A, B),), ((2, B, C),), 2 * A * B * C, 2 * A * B * C, "2·A·B·C."),
    learned("addmm", lambda b, w, x: torch.addmm(b, x, w, beta=0.5, alpha=2.0), ((C,), (B, C)), ((A, B),), A * B * C, A * B * C,
            "The factors alpha and beta are no contraction."),
    learned("baddbmm", lambda b, w, x: torch.baddbmm(b, x, w), ((2, A, C), (2, B, C)), ((2, A, B),), 2 * A * B * C,
            2 * A * B * C, "2·A·B·C; the addend's gradient is free."),
    learned("addbmm", lambda b, w, x: torch.addbmm(b, x, w), ((A, C), (2, B, C)), ((2, A, B),), 2 * A * B * C, 2 * A * B * C,
            "The stack is summed as well: 2·A·B·C."),
    learned("addmv", torch.addmv, ((A,), (A, B)), ((B,),), A * B, A * B, "A·B." + ONE_TERM,
            backward_readings=(0,)),
    learned("mv", torch.mv, ((A, B),), ((B,),), A * B, A * B, "A·B." + ONE_TERM, backward_readings=(0,)),
    learned("mv_learned_vector", lambda v, x: torch.mv(x, v), ((B,),), ((A, B),), A * B, A * B, "Gradient xᵀ·g: A·B."),
    learned("dot", torch.dot, ((B,),), ((B,),), B, B, "B." + ONE_TERM, backward_readings=(0,)),
    learned("vdot_complex", torch.vdot, ((B,),), (), 4 * B, 4 * B, "Complex products are four: 4·B." + ONE_TERM,
            give=lambda: (torch.randn(B, dtype=torch.complex64),), dtype=torch.complex64, backward_readings=(0,)),
    learned("inner", torch.inner, ((A, B),), ((C, B),), A * B * C, A * B * C, "Last axes of both: A·B·C."),
    learned("tensordot", lambda w, x: torch.tensordot(x, w, dims=2), ((B, C, D),), ((A, B, C),), A * B * C * D, A * B * C * D,
            "Two axes are summed: A·D·(B·C)."),
    learned("linalg_vecdot", torch.linalg.vecdot, ((A, B),), ((A, B),), A * B, A * B,
            "A row products of B: A·B; written as an elementwise product and a sum it is 0." + ONE_TERM,
            forward_readings=(0,), backward_readings=(0,)),
    learned("multi_dot_cheapest", lambda w, v, x: torch.linalg.multi_dot([x, w, v]), ((10, 2), (2, 8)), ((3, 10),),
            3 * 10 * 2 + 3 * 2 * 8, 3 * 10 * 2 + 2 * 3 * 2 * 8,
            "(3·10)(10·2)(2·8): from the left 60 + 48, from the right 160 + 240. Backward in that order: dV and d(XW) 48 each,"
            " dW 60.",
    ),
    learned("chain_from_the_right", lambda w, v, x: w @ (v @ x), ((8, 2), (2, 10)), ((10,),), 2 * 10 + 8 * 2,
            2 * 10 + 2 * 8 * 2, "Written order counts: V·x 20, W·(Vx) 16; dW 16, d(Vx) 16, dV 20." + ONE_TERM,
            backward_readings=(8 * 2,)),
    learned("matrix_power_2", power(2), ((A, A),), (), A**3, 2 * A**3, "One product, two gradients."),
    learned("matrix_power_5", power(5), ((A, A),), (), 3 * A**3, 6 * A**3,
            "A², A⁴, A⁴·A: ⌊log₂ 5⌋ + (ones in 101₂) − 1 = 3 products of A³; two gradients each."),
    learned("matrix_power_6", power(6), ((2, A, A),), (), 2 * 3 * A**3, 2 * 6 * A**3, "A², A⁴, A²·A⁴ for a stack of two."),
    # Products without a summed index.
    plain("outer", torch.outer, ((A,), (B,)), 0, "No index is summed: no contraction."),
    learned("addr", torch.addr, ((A, B),), ((A,), (B,)), 0, 0, "An outer product added: 0."),
    plain("kron", torch.kron, ((A, B), (C, D)), 0, "Every product is an output: 0."),
    plain("elementwise_product_and_sum", lambda x, y: (x * y).sum(-1), ((A, B), (A, B)), 0,
          "Written elementwise, with a sum behind it: 0 as written (a fusion into a contraction would be A·B).",
          forward_readings=(A * B,)),
    plain("cross", torch.linalg.cross, ((A, 3), (A, 3)), 0, "Differences of products: elementwise."),
    # einsum.
    learned("einsum_matmul", spelled("oi,bi->bo"), ((C, B),), ((A, B),), A * B * C, A * B * C, "A·B·C."),
    learned("einsum_batched", spelled("bhd,bnd->bhn"), ((2, A, D),), ((2, B, D),), 2 * A * B * D, 2 * A * B * D, "b·h·n·d."),
    learned("einsum_two_summed", spelled("cd,acd->a"), ((C, D),), ((A, C, D),), A * C * D, A * C * D, "a·(c·d)."),
    learned("einsum_row_dot", spelled("bi,bi->b"), ((A, B),), ((A, B),), A * B, A * B, "A contraction for each row." + ONE_TERM,
            backward_readings=(0,)),
    plain("einsum_outer", spelled("i,j->ij"), ((A,), (B,)), 0, "No index is summed: 0."),
    plain("einsum_hadamard", spelled("ij,ij->ij"), ((A, B), (A, B)), 0, "No index is summed: 0."),
    plain("einsum_diagonal", spelled("ii->i"), ((A, A),), 0, "A view."),
    plain("einsum_trace", spelled("ii->"), ((A, A),), 0, "A sum."),
    plain("einsum_transpose", spelled("ijk->kij"), ((A, B, C),), 0, "A view."),
    learned("einsum_ellipsis", spelled("io,...i->...o"), ((B, C),), ((2, A, B),), 2 * A * B * C, 2 * A * B * C, "2·A·B·C."),
    learned("einsum_three", spelled("ib,bc,cd->id"), ((A, B), (B, C), (C, D)), (), A * B * C + A * C * D,
            2 * A * B * C + 2 * A * C * D, "From the left: A·B·C + A·C·D = 60 + 90 (from the right 120 + 72, more); all three operands are learned." ),
    learned("einsum_bilinear_form", spelled("ij,bi,bj->b"), ((B, C),), ((A, B), (A, C)), A * B * C + A * C, A * B * C + A * C,
            "W with x over i (A·B·C), then y over j (A·C); backward dT = g ⊗ y (one-term sums, A·C), dW A·B·C.",
            backward_readings=(A * B * C,)),
    # Distances and similarities.
    plain("cdist_by_differences",
          lambda x, y: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"), ((A, D), (B, D)), 0,
          "Squares of differences: elementwise."),
    plain("cdist_by_matmul", lambda x, y: torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist"), ((A, D), (B, D)),
          A * B * (D + 2), "PyTorch multiplies [−2x, ‖x‖², 1] with [y, 1, ‖y‖²]ᵀ: sums of D + 2. The identity alone needs"
          " A·B·D; by meaning, a distance is no contraction: 0.", forward_readings=(A * B * D, 0)),
    plain("cdist_manhattan", lambda x, y: torch.cdist(x, y, p=1.0), ((A, D), (B, D)), 0, "Absolute differences: no product."),
    plain("cosine_similarity", functional.cosine_similarity, ((A, D), (A, D)), 0,
          "An elementwise product summed, over norms: 0 as PyTorch writes it; its dot product read as a contraction is A·D.",
          forward_readings=(A * D,)),
    plain("pairwise_distance", functional.pairwise_distance, ((A, D), (A, D)), 0, "A norm of differences."),
    plain("covariance", torch.cov, ((A, D),), A * A * D, "Rows centred, then X·Xᵀ: A·A·D."),
    plain("integer_matmul", lambda x, y: x.long() @ y.long(), ((A, B), (B, C)), A * B * C, "Products of integers are products."),
    learned("empty_sum", lambda w, x: x @ w, ((0, C),), ((A, 0),), 0, 0, "A sum of no terms: 0."),
    learned("gram", lambda w: w @ w.T, ((A, B),), (), A * A * B, 2 * A * A * B,
            "W·Wᵀ: W is both operands, with a gradient for each, added."),
)  # fmt: skip
