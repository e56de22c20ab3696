"""Fourier transforms, linear algebra, sparse, complex and quantized numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.torch.cases.case import Behind, Case, Function, Learned, random

N, D = 4, 5  # order of a matrix, right-hand sides


def spd(x: Tensor) -> Tensor:
    """A symmetric positive definite matrix whose making contains no contraction."""
    return torch.diag_embed(x.abs().sum(-1) + 1.0) + 0.1 * (x + x.mT)


def algorithm(name: str, function: Callable[..., Any], *shapes: tuple[int, ...], note: str, macs: int = 0) -> Case:
    return Case(
        name=name,
        build=lambda: Function(function),
        inputs=random(*shapes),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=macs,
        backward_macs=0,
        note=note + " Its arithmetic is a named algorithm's, no contraction: 0 macs.",
        algorithm=True,
    )


def sparse(kind: str) -> Callable[[Tensor], Tensor]:
    """The matrix in coordinate or compressed rows; PyTorch warns that the latter is beta."""

    def convert(x: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x.to_sparse() if kind == "coo" else x.to_sparse_csr()

    return convert


def adjacency() -> Tensor:
    """A ring with self-loops: three stored values in each row."""
    ring = torch.zeros(NODES, NODES)
    for i in range(NODES):
        for j in (i - 1, i, i + 1):
            ring[i, j % NODES] = 1 / 3
    return ring


class GraphLayer(nn.Module):
    """A·(X·W) with a sparse A that is not learned."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.dense = nn.Linear(IN, OUT, bias=False)
        self.register_buffer("adjacency", sparse(kind)(adjacency()))

    def forward(self, x: Tensor) -> Tensor:
        return self.adjacency @ self.dense(x)


class SparseWeight(nn.Module):
    """A learned sparse matrix: only the stored values are there."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(sparse("coo")(adjacency()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.weight, x)


class Fourier(nn.Module):
    """A Fourier layer: transform, a complex product for each frequency, transform back."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(IN, OUT, MODES, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        modes = torch.fft.rfft(x)[..., :MODES]
        return torch.fft.irfft(torch.einsum("bim,iom->bom", modes, self.weight), n=x.shape[-1])


class ComplexStack(nn.Sequential):
    """Two complex dense layers."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(IN, OUT, dtype=torch.complex64), nn.Linear(OUT, 2, bias=False, dtype=torch.complex64)
        )


class ComplexByReal(nn.Module):
    """A complex signal by a real matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(IN, OUT))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.to(x.dtype)


def quantized() -> nn.Module:
    """Weights packed to eight bits, activations quantized while running."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(
            nn.Sequential(nn.Linear(IN, OUT), nn.ReLU(), nn.Linear(OUT, 2)), {nn.Linear}, dtype=torch.qint8
        )


def quantized_lstm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(IN, OUT)), {nn.LSTM}, dtype=torch.qint8)


NODES, IN, OUT, MODES, BATCH = 6, 5, 4, 3, 2
STORED = 3 * NODES
STEPS = 3

CASES: tuple[Case, ...] = (
    algorithm("fft", torch.fft.fft, (BATCH, 16), note="Complex transform of n points: (5·n·log₂ n flops by radix 2)."),
    algorithm("rfft_irfft", lambda x: torch.fft.irfft(torch.fft.rfft(x), n=15), (BATCH, 15), note="Real, odd length."),
    algorithm("fft2", torch.fft.fft2, (BATCH, 8, 4), note="Rows, then columns."),
    algorithm("stft", lambda x: torch.stft(x, 8, hop_length=4, window=torch.ones(8), return_complex=True), (BATCH, 32),
              note="Frames times a window, each transformed."),
    algorithm("inverse", lambda x: torch.linalg.inv(spd(x)), (N, N), note="LU and N solves, 2·N³ flops to leading order."),
    algorithm("solve", lambda x, y: torch.linalg.solve(spd(x), y), (N, N), (N, D), note="LU and 2·D triangular solves."),
    algorithm("solve_triangular", lambda x, y: torch.linalg.solve_triangular(spd(x).triu(), y, upper=True), (N, N), (N, D),
              note="Back substitution: D·N·(N−1)/2 products."),
    algorithm("cholesky", lambda x: torch.linalg.cholesky(spd(x)), (BATCH, N, N), note="N³/3 flops to leading order."),
    algorithm("qr", torch.linalg.qr, (6, N), note="Householder."),
    algorithm("svd", lambda x: torch.linalg.svd(x, full_matrices=False), (6, N), note="Iterates: estimated."),
    algorithm("eigh", lambda x: torch.linalg.eigh(spd(x)), (N, N), note="Iterates: estimated."),
    algorithm("determinant", torch.linalg.det, (N, N), note="LU and a product of the diagonal."),
    algorithm("slogdet", lambda x: torch.linalg.slogdet(spd(x)), (N, N), note="LU and logarithms."),
    algorithm("lstsq", lambda x, y: torch.linalg.lstsq(x, y).solution, (6, N), (6, D), note="QR and a triangular solve."),
    algorithm("pinv", torch.linalg.pinv, (6, N), note="By singular values; a product of the factors is inside."),
    algorithm("matrix_exp", torch.linalg.matrix_exp, (N, N),
              note="Scaling and squaring: how many products depends on the norm."),
    Case(
        name="fourier_layer",
        build=Fourier,
        inputs=random((BATCH, IN, 16)),
        parameters=IN * OUT * MODES,
        weights=None,
        biases=None,
        forward_macs=4 * BATCH * IN * OUT * MODES,
        backward_macs=4 * BATCH * IN * OUT * MODES,
        note="einsum bim,iom→bom of complex numbers: 4·B·I·O·modes; the transforms are algorithms. A complex weight is one"
        " parameter (two real numbers).",
        algorithm=True,
    ),
    Case(
        name="complex_linear",
        build=ComplexStack,
        inputs=lambda: (torch.randn(BATCH, IN, dtype=torch.complex64),),
        parameters=IN * OUT + OUT + OUT * 2,
        weights=IN * OUT + OUT * 2,
        biases=OUT,
        forward_macs=4 * BATCH * (IN * OUT + OUT * 2),
        backward_macs=4 * BATCH * (IN * OUT + 2 * OUT * 2),
        note="Four real products for each complex one; a complex weight is one parameter.",
    ),
    Case(
        name="complex_by_real_weight",
        build=ComplexByReal,
        inputs=lambda: (torch.randn(BATCH, IN, dtype=torch.complex64),),
        parameters=IN * OUT,
        weights=IN * OUT,
        biases=0,
        forward_macs=4 * BATCH * IN * OUT,
        backward_macs=4 * BATCH * IN * OUT,
        forward_readings=(2 * BATCH * IN * OUT,),
        backward_readings=(2 * BATCH * IN * OUT,),
        note="The real weight is cast to complex first, so the products are complex: 4·B·I·O; the minimum would be 2.",
    ),
    *(
        Case(
            name=f"graph_layer_sparse_{kind}",
            build=lambda kind=kind: GraphLayer(kind),
            inputs=random((NODES, IN)),
            parameters=IN * OUT,
            weights=IN * OUT,
            biases=0,
            forward_macs=NODES * IN * OUT + STORED * OUT,
            backward_macs=NODES * IN * OUT + STORED * OUT,
            note="X·W is nodes·I·O; A·(XW) is stored values · O, its gradient Aᵀ·g as many; A is a buffer.",
            needs_values=True,
        )
        for kind in ("coo", "csr")
    ),
    Case(
        name="sparse_learned_weight",
        build=SparseWeight,
        inputs=random((NODES, IN)),
        parameters=STORED,
        weights=STORED,
        biases=0,
        forward_macs=STORED * IN,
        backward_macs=NODES * NODES * IN,
        backward_readings=(STORED * IN,),
        note="Stored values · columns. PyTorch trains it by a dense gradient that it masks afterwards; the gradient of each"
        " stored value alone, a sum over columns, is the reading.",
        needs_values=True,
    ),
    Case(
        name="sparse_operand_given",
        build=lambda: Behind(Function(lambda x, a: torch.sparse.mm(a, x))),
        inputs=lambda: (torch.randn(NODES, IN), sparse("coo")(adjacency())),
        parameters=1,
        weights=1,
        biases=0,
        forward_macs=STORED * IN,
        backward_macs=STORED * IN,
        note="A sparse input: stored values · columns, its transpose in backward.",
        needs_values=True,
    ),
    Case(
        name="linear_quantized_dynamic",
        build=quantized,
        inputs=random((BATCH, IN)),
        parameters=IN * OUT + OUT + OUT * 2 + 2,
        weights=IN * OUT + OUT * 2,
        biases=OUT + 2,
        forward_macs=BATCH * (IN * OUT + OUT * 2),
        backward_macs=None,
        note="Products of eight-bit numbers are products; packed weights are parameters; it has no gradient.",
    ),
    Case(
        name="lstm_quantized_dynamic",
        build=quantized_lstm,
        inputs=random((STEPS, BATCH, IN)),
        parameters=4 * OUT * (IN + OUT) + 8 * OUT,
        weights=4 * OUT * (IN + OUT),
        biases=8 * OUT,
        forward_macs=STEPS * BATCH * 4 * OUT * (IN + OUT),
        backward_macs=None,
        note="The packed LSTM: T·B·4·(H·I + H·H).",
    ),
    Case(
        name="linear_float64",
        build=lambda: nn.Linear(IN, OUT, dtype=torch.float64),
        inputs=lambda: (torch.randn(BATCH, IN, dtype=torch.float64),),
        parameters=IN * OUT + OUT,
        weights=IN * OUT,
        biases=OUT,
        forward_macs=BATCH * IN * OUT,
        backward_macs=BATCH * IN * OUT,
        note="The type of number changes no count.",
    ),
    Case(
        name="gaussian_process_step",
        build=lambda: Learned(
            lambda w, x: torch.cholesky_solve((x @ w)[:, :1], torch.linalg.cholesky(spd(x @ w))), (N, N)
        ),
        inputs=random((N, N)),
        parameters=N * N,
        weights=None,
        biases=None,
        forward_macs=2 * N**3,
        backward_macs=None,
        note="Two products N³ beside two algorithms; the algorithms' gradients contain products of PyTorch's own choosing, so"
        " backward is left open.",
        algorithm=True,
    ),
)  # fmt: skip
