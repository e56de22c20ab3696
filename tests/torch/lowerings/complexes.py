"""Samples: complex numbers."""

from __future__ import annotations

import torch

from tests.torch.lowerings.making import rand, sample


def z(*shape: int) -> torch.Tensor:
    return torch.complex(rand(*shape), rand(*shape))


A, B, R = z(2, 3), z(2, 3), rand(2, 3)
SAMPLES = (
    *(sample(f"{name}.Tensor", *pair) for name in ("add", "sub", "mul", "div") for pair in ((A, B), (A, R), (R, B))),
    *(sample(f"{name}.Tensor", A, 2.5) for name in ("add", "sub", "mul", "div")), sample("mul.Tensor", A, 1 + 2j),
    sample("add.Tensor", A, B, alpha=0.5), sample("rsub.Tensor", A, R), sample("reciprocal", A),
    *(sample(name, A) for name in ("neg", "exp", "log", "square", "sin", "cos", "tanh", "sigmoid", "clone")),
    sample("mm", A, z(3, 4)), sample("bmm", z(2, 3, 4), z(2, 4, 2)), sample("addmm", z(4), A, z(3, 4)), sample("mv", A, z(3)),
    sample("linear", A, z(4, 3), z(4)), sample("sum.dim_IntList", A, [1]), sample("mean", A), sample("cumsum", A, 0),
    sample("cat", [A, B]), sample("stack", [A, B]), sample("eq.Tensor", A, A), sample("index_select", A, 0, torch.tensor([1, 0])),
    sample("abs", A), *(sample("linalg_vector_norm", A, p, [1]) for p in (1, 2, float("inf"))), sample("_to_copy", R, dtype=torch.complex128),
)  # fmt: skip
