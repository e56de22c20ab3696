"""Mixtures of experts: a token pays for the router and for the experts it is sent to."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.cases.case import Case, random

N, D, FF, E, K = 10, 16, 32, 4, 2  # tokens, width, hidden, experts, experts for each token


class Routed(nn.Module):
    """Top-k routing by index: each expert runs on the tokens that chose it."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(D, E, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(D, FF, bias=False), nn.SiLU(), nn.Linear(FF, D, bias=False)) for _ in range(E)
        )

    def forward(self, x: Tensor) -> Tensor:
        gates, chosen = self.router(x).softmax(-1).topk(K, dim=-1)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, slots = torch.where(chosen == number)
            if rows.numel():
                y = y.index_add(0, rows, expert(x[rows]) * gates[rows, slots, None])
        return y


class DenseMixture(nn.Module):
    """Every expert runs on every token; the gates weigh the results."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(D, E, bias=False)
        self.up, self.down = nn.Parameter(torch.randn(E, D, FF)), nn.Parameter(torch.randn(E, FF, D))

    def forward(self, x: Tensor) -> Tensor:
        gates = self.router(x).softmax(-1)
        hidden = torch.einsum("nd,edf->enf", x, self.up).relu()
        outputs = torch.einsum("enf,efd->end", hidden, self.down)
        return torch.einsum("ne,end->nd", gates, outputs)


class Grouped(nn.Module):
    """Tokens sorted by expert, multiplied by one grouped product for each layer; top-1."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(D, E, bias=False)
        self.up, self.down = nn.Parameter(torch.randn(E, D, FF)), nn.Parameter(torch.randn(E, FF, D))

    def forward(self, x: Tensor) -> Tensor:
        gate, chosen = self.router(x).softmax(-1).max(-1)
        order = chosen.argsort()
        ends = torch.bincount(chosen, minlength=E).cumsum(0).to(torch.int32)
        hidden = functional.silu(functional.grouped_mm(x[order], self.up, offs=ends))
        return functional.grouped_mm(hidden, self.down, offs=ends) * gate[order, None]


class Capacity(nn.Module):
    """Switch-style dispatch with one-hot tensors: slots are multiplied whether they are filled or not."""

    def __init__(self, slots: int) -> None:
        super().__init__()
        self.router = nn.Linear(D, E, bias=False)
        self.expert = nn.Parameter(torch.randn(E, D, D))
        self.slots = slots

    def forward(self, x: Tensor) -> Tensor:
        gate, chosen = self.router(x).softmax(-1).max(-1)
        mask = functional.one_hot(chosen, E)
        place = (mask.cumsum(0) - 1) * mask
        dispatch = functional.one_hot(place.clamp(max=self.slots), self.slots + 1)[..., : self.slots] * mask[..., None]
        dispatch = dispatch.to(x.dtype)
        taken = torch.einsum("nec,nd->ecd", dispatch, x)
        made = torch.bmm(taken, self.expert)
        return torch.einsum("nec,ecd->nd", dispatch * gate[:, None, None], made)


ROUTER, EXPERT = N * D * E, N * D * FF
SLOTS = 4

CASES: tuple[Case, ...] = (
    Case(
        name="experts_routed_by_index",
        build=Routed,
        inputs=random((N, D)),
        parameters=D * E + E * 2 * D * FF,
        weights=D * E + E * 2 * D * FF,
        biases=0,
        forward_macs=ROUTER + K * 2 * EXPERT,
        backward_macs=ROUTER + K * 2 * EXPERT + K * EXPERT,
        note="Router N·D·E; N·K token visits of 2·D·F each, wherever they go; backward: all weights, and the input of each"
        " second expert layer N·K·D·F (the first reads the model's input). Which expert has how many is data; the sum is not.",
        needs_values=True,
    ),
    Case(
        name="experts_dense_einsum",
        build=DenseMixture,
        inputs=random((N, D)),
        parameters=D * E + E * 2 * D * FF,
        weights=None,
        biases=None,
        forward_macs=ROUTER + E * 2 * EXPERT + N * E * D,
        backward_macs=ROUTER + E * 2 * EXPERT + E * EXPERT + 2 * N * E * D,
        backward_readings=(ROUTER + E * 2 * EXPERT + E * EXPERT + N * E * D,),
        note="Router N·D·E; E·2·N·D·F; the weighing Σ_e gate·output is a contraction N·E·D. Backward: weights, hidden"
        " E·N·F·D, gates N·E·D and outputs N·E·D (one-term sums, without them the reading).",
    ),
    Case(
        name="experts_grouped_mm",
        build=Grouped,
        inputs=random((N, D)),
        parameters=D * E + E * 2 * D * FF,
        weights=None,
        biases=None,
        forward_macs=ROUTER + 2 * EXPERT,
        backward_macs=ROUTER + 2 * EXPERT + EXPERT,
        note="Every token visits one expert: N·2·D·F; backward: weights (Σ over groups N_e·D·F = N·D·F each) and hidden N·D·F.",
        needs_values=True,
    ),
    Case(
        name="experts_capacity_one_hot",
        build=lambda: Capacity(SLOTS),
        inputs=random((N, D)),
        parameters=D * E + E * D * D,
        weights=None,
        biases=None,
        forward_macs=ROUTER + E * SLOTS * N * D + E * SLOTS * D * D + N * E * SLOTS * D,
        backward_macs=ROUTER + E * SLOTS * D * D + 2 * N * E * SLOTS * D,
        note="Dispatch and combination are contractions over all N tokens and E·C slots. Backward: router, expert weights,"
        " and both operands of the combination; what is dispatched is the model's input, so no gradient there.",
    ),
)
