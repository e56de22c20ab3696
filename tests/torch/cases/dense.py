"""Dense layers, embeddings and bilinear forms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.cases.case import Behind, Case, Function, Learned, random

B, N, M = 4, 7, 5


def linear(name: str, shape: tuple[int, ...], rows: int, *, bias: bool = True, behind: bool = False) -> Case:
    """rows·N·M, as many for the weight gradient and, behind something learned, for the input gradient."""
    return Case(
        name=name,
        build=lambda: Behind(nn.Linear(N, M, bias=bias)) if behind else nn.Linear(N, M, bias=bias),
        inputs=random(shape),
        parameters=N * M + (M if bias else 0) + int(behind),
        weights=N * M + int(behind),
        biases=M if bias else 0,
        forward_macs=rows * N * M,
        backward_macs=rows * N * M * (2 if behind else 1),
        note=f"{rows} rows · N·M; weight gradient as many" + (", input gradient too." if behind else "."),
    )


class Bag(nn.Module):
    """An embedding bag with a learned head."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(20, 6, mode=mode)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bag(x))


class WeightedBag(nn.Module):
    """A bag whose rows are weighted by an input."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(20, 6, mode="sum")

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.bag(x, per_sample_weights=w)


TEXTBOOK = (784, 16, 16, 10)
TEXTBOOK_MACS = 784 * 16 + 16 * 16 + 16 * 10


def textbook() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Sigmoid(), nn.Linear(16, 10), nn.Sigmoid()
    )


def indices(high: int, *shape: int) -> Tensor:
    return torch.randint(high, shape)


I1, I2, OUT = 3, 4, 5

CASES: tuple[Case, ...] = (
    linear("linear_1d", (N,), 1),
    linear("linear_1d_behind", (N,), 1, behind=True),
    linear("linear_2d", (B, N), B),
    linear("linear_3d", (B, 6, N), B * 6),
    linear("linear_4d_behind", (B, 2, 3, N), B * 6, behind=True),
    linear("linear_no_bias", (B, N), B, bias=False),
    linear("linear_no_bias_3d_behind", (B, 6, N), B * 6, bias=False, behind=True),
    Case(
        name="linear_one_feature",
        build=lambda: Behind(nn.Linear(1, 1)),
        inputs=random((B, 1)),
        parameters=3,
        weights=2,
        biases=1,
        forward_macs=B,
        backward_macs=2 * B,
        note="A sum of one term is still a contraction: B·1·1.",
    ),
    Case(
        name="linear_keyword_input",
        build=lambda: nn.Linear(N, M),
        inputs=lambda: {"input": torch.randn(B, N)},
        parameters=N * M + M,
        weights=N * M,
        biases=M,
        forward_macs=B * N * M,
        backward_macs=B * N * M,
        note="The input is given by keyword.",
    ),
    Case(
        name="textbook_batch_1",
        build=textbook,
        inputs=random((1, 784)),
        parameters=13002,
        weights=12960,
        biases=42,
        forward_macs=TEXTBOOK_MACS,
        backward_macs=TEXTBOOK_MACS + 16 * 16 + 16 * 10,
        note="784·16 + 16·16 + 16·10 = 12,960; backward 12,960 weight and 416 input gradients.",
    ),
    Case(
        name="textbook_batch_64",
        build=textbook,
        inputs=random((64, 784)),
        parameters=13002,
        weights=12960,
        biases=42,
        forward_macs=64 * TEXTBOOK_MACS,
        backward_macs=64 * (TEXTBOOK_MACS + 16 * 16 + 16 * 10),
        note="64 times the products of one example.",
    ),
    Case(
        name="residual_mlp",
        build=lambda: ResidualMlp(),  # noqa: PLW0108
        inputs=random((B, 8)),
        parameters=(8 * 32 + 32) + (32 * 8 + 8) + 16,
        weights=8 * 32 + 32 * 8 + 8,
        biases=32 + 8 + 8,
        forward_macs=B * 2 * 8 * 32,
        backward_macs=B * 2 * 8 * 32 * 2,
        note="x + W₂·gelu(W₁·norm(x)): the norm's scale is learned, so the first dense layer's input gradient is needed.",
    ),
    Case(
        name="swiglu",
        build=lambda: SwiGlu(),  # noqa: PLW0108
        inputs=random((B, 8)),
        parameters=3 * 8 * 12,
        weights=3 * 8 * 12,
        biases=0,
        forward_macs=3 * B * 8 * 12,
        backward_macs=3 * B * 8 * 12 + B * 8 * 12,
        note="Three products of B·8·12; gate and up read the model's input (no input gradient), down does not.",
    ),
    Case(
        name="bilinear",
        build=lambda: nn.Bilinear(I1, I2, OUT),
        inputs=random((B, I1), (B, I2)),
        parameters=OUT * I1 * I2 + OUT,
        weights=OUT * I1 * I2,
        biases=OUT,
        forward_macs=B * OUT * I1 * I2 + B * OUT * I2,
        backward_macs=B * OUT * I1 * I2 + B * OUT * I2,
        forward_readings=(B * I1 * I2 + B * OUT * I1 * I2,),
        backward_readings=(B * OUT * I1 * I2,),
        note="PyTorch contracts x₁ with W over I₁ (B·O·I₁·I₂) and the result with x₂ over I₂ (B·O·I₂). Backward: dW = Σ_b x₁ ⊗"
        " dT with dT = g ⊗ x₂, B·O·I₁·I₂ + B·O·I₂ (the last has sums of one term; without them B·O·I₁·I₂). The outer product"
        " x₁ ⊗ x₂ first is the other forward reading.",
    ),
    Case(
        name="bilinear_behind",
        build=lambda: Behind(nn.Bilinear(I1, I2, OUT, bias=False)),
        inputs=random((B, I1), (B, I2)),
        parameters=OUT * I1 * I2 + 1,
        weights=OUT * I1 * I2 + 1,
        biases=0,
        forward_macs=B * OUT * I1 * I2 + B * OUT * I2,
        backward_macs=2 * B * OUT * I1 * I2 + B * OUT * I2,
        backward_readings=(2 * B * OUT * I1 * I2, 2 * B * OUT * I1 * I2 + B * I1 * I2),
        note="dT = g ⊗ x₂ (B·O·I₂) serves both dW = Σ_b x₁ ⊗ dT and dx₁ = Σ W·dT, B·O·I₁·I₂ each. Without the sums of one"
        " term 2·B·O·I₁·I₂; g with W first, then x₂, is the last reading.",
    ),
    Case(
        name="embedding",
        build=lambda: nn.Embedding(20, 6),
        inputs=lambda: (indices(20, B, 3),),
        parameters=20 * 6,
        weights=20 * 6,
        biases=0,
        forward_macs=0,
        backward_macs=0,
        note="A lookup; its gradient is a scatter of additions.",
    ),
    Case(
        name="embedding_head",
        build=lambda: nn.Sequential(nn.Embedding(20, 6, padding_idx=0), nn.Linear(6, 20)),
        inputs=lambda: (indices(20, B, 3),),
        parameters=20 * 6 + 6 * 20 + 20,
        weights=2 * 20 * 6,
        biases=20,
        forward_macs=B * 3 * 6 * 20,
        backward_macs=2 * B * 3 * 6 * 20,
        note="The head's input gradient is needed: it goes to the table.",
    ),
    Case(
        name="one_hot_matmul",
        build=lambda: Learned(lambda w, i: functional.one_hot(i, 20).to(w.dtype) @ w, (20, 6)),
        inputs=lambda: (indices(20, B),),
        parameters=120,
        weights=120,
        biases=0,
        forward_macs=B * 20 * 6,
        backward_macs=B * 20 * 6,
        note="A lookup written as a product is a product: B·20·6.",
    ),
    *(
        Case(
            name=f"embedding_bag_{mode}",
            build=lambda mode=mode: Bag(mode),
            inputs=lambda: (indices(20, B, 3),),
            parameters=20 * 6 + 6 * 3 + 3,
            weights=20 * 6 + 6 * 3,
            biases=3,
            forward_macs=B * 6 * 3,
            backward_macs=2 * B * 6 * 3,
            note="The bag adds (or compares); the head is B·6·3, its input gradient goes to the table.",
        )
        for mode in ("sum", "mean", "max")
    ),
    Case(
        name="embedding_bag_weighted",
        build=WeightedBag,
        inputs=lambda: (indices(20, B, 3), torch.rand(B, 3)),
        parameters=20 * 6,
        weights=20 * 6,
        biases=0,
        forward_macs=0,
        backward_macs=0,
        forward_readings=(B * 3 * 6,),
        backward_readings=(B * 3 * 6,),
        note="Weighted rows are scaled and added, elementwise, as a lookup is no operand of a contraction: 0. Read as the"
        " contraction Σ_j w_bj·E[i_bj] it is B·3·6, and the table's gradient as many.",
    ),
    Case(
        name="functional_linear_no_parameters",
        build=lambda: Function(functional.linear),
        inputs=random((B, N), (M, N), (M,)),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=B * N * M,
        backward_macs=0,
        note="All operands are inputs: nothing is learned, so there is no gradient.",
    ),
)


class ResidualMlp(nn.Module):
    """Pre-norm residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 32), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(functional.gelu(self.up(self.norm(x))))


class SwiGlu(nn.Module):
    """W_d·(silu(W_g·x)·W_u·x)."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up, self.down = (
            nn.Linear(8, 12, bias=False), nn.Linear(8, 12, bias=False), nn.Linear(12, 8, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))
