"""Fused optimizers against the loops they fuse, and cells against the layers that are made of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nncost
from nncost.counting.ledger import count_graph
from nncost.counting.quantities import PRIMITIVE
from nncost.frontends.torch.step.dispatch_table import operator_info
from nncost.frontends.torch.tracing.call_signature import CallSignature
from nncost.frontends.torch.tracing.lower import emit
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Tensor
from tests.torch.lowerings.making import rand, sample
from tests.torch.lowerings.running import lower, operator_named

SHAPE = (3, 4)


def amounts(graphs: list[Graph]) -> Counter[str]:
    total: Counter[str] = Counter()
    for graph in graphs:
        for row in count_graph(graph).rows:
            if row.quantity in PRIMITIVE:
                total[row.quantity] += row.amount
    return total


def loop(optimizer: Any) -> Counter[str]:
    """What PyTorch's loop over single tensors does with one parameter, in a late step."""
    module = nn.Linear(SHAPE[1], SHAPE[0], bias=False)
    report = nncost.count(module, torch.zeros(1, SHAPE[1]), loss="sum", optimizer=optimizer(module.parameters()))
    totals = report.to_dict()["totals"]["update"]
    return Counter({name: amount for name, amount in totals.items() if name in PRIMITIVE and amount})


def lists(count: int) -> list[list[torch.Tensor]]:
    return [[torch.rand(SHAPE)] for _ in range(count)]


ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "maximize": False}
STEP = [torch.tensor(1000.0)]


@pytest.mark.parametrize(
    ("name", "make", "columns", "options"),
    [
        ("_fused_adam", lambda p: torch.optim.Adam(p, foreach=False), 4, {**ADAM, "weight_decay": 0.0, "amsgrad": False}),
        ("_fused_adam", lambda p: torch.optim.Adam(p, foreach=False, weight_decay=0.1), 4,
         {**ADAM, "weight_decay": 0.1, "amsgrad": False}),
        ("_fused_adam", lambda p: torch.optim.Adam(p, foreach=False, amsgrad=True), 5,
         {**ADAM, "weight_decay": 0.0, "amsgrad": True}),
        ("_fused_adamw", lambda p: torch.optim.AdamW(p, foreach=False, weight_decay=0.1), 4,
         {**ADAM, "weight_decay": 0.1, "amsgrad": False}),
    ],
)  # fmt: skip
def test_fused_adam(name: str, make: Any, columns: int, options: dict[str, Any]) -> None:
    given = lists(columns) + ([] if columns == 5 else [[]])
    fused = lower(sample(name, *given, STEP, **options))
    assert amounts([fused.graph]) == loop(make)


SGD = {
    "weight_decay": 0.1,
    "momentum": 0.9,
    "lr": 0.1,
    "dampening": 0.5,
    "nesterov": False,
    "maximize": False,
    "is_first_step": False,
}


@pytest.mark.parametrize(
    "changed", [{}, {"nesterov": True, "dampening": 0.0}, {"momentum": 0.0, "dampening": 0.0}, {"weight_decay": 0.0}]
)
def test_fused_sgd(changed: dict[str, Any]) -> None:
    options = {**SGD, **changed}
    plain = {name: options[name] for name in ("weight_decay", "momentum", "lr", "dampening", "nesterov")}
    given = lists(3) if options["momentum"] else [*lists(2), []]
    fused = lower(sample("_fused_sgd", *given, **options))
    assert amounts([fused.graph]) == loop(lambda p: torch.optim.SGD(p, foreach=False, **plain))


def test_fused_adagrad() -> None:
    options = {"lr": 0.1, "lr_decay": 0.0, "weight_decay": 0.1, "eps": 1e-10, "maximize": False}
    fused = lower(sample("_fused_adagrad", *lists(3), STEP, **options))
    assert amounts([fused.graph]) == loop(lambda p: torch.optim.Adagrad(p, foreach=False, weight_decay=0.1))


def ran(name: str, arguments: dict[str, torch.Tensor | None], shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """The results of an operator that PyTorch has on GPUs alone."""
    builder = Builder()
    tensors: dict[str, Any] = {}
    feeds = {}
    for key, value in arguments.items():
        tensors[key] = value
        if isinstance(value, torch.Tensor):
            tensors[key] = builder.input(tuple(value.shape), dtype="float64")
            feeds[tensors[key]] = value.detach().numpy()
    operator = operator_named(f"aten::{name}")
    outputs = tuple((shape, torch.float64) for shape in shapes)
    made = [
        t
        for t in emit(builder, CallSignature(operator, operator_info(operator), (), outputs), tensors, frozenset())
        if t is not None
    ]
    feeds.update({t: np.zeros(t.shape) for t in builder.inputs if t not in feeds and isinstance(t, Tensor)})
    values = execute(builder.graph(*made), feeds)
    return [values[t] for t in made]


@pytest.mark.parametrize(
    ("name", "cell", "gates"), [("_thnn_fused_lstm_cell", nn.LSTMCell, 4), ("_thnn_fused_gru_cell", nn.GRUCell, 3)]
)
def test_fused_cells(name: str, cell: Any, gates: int) -> None:
    module = cell(5, 3, dtype=torch.float64)
    x, h, c = rand(2, 5), rand(2, 3), rand(2, 3)
    states = {"cx": c} if gates == 4 else {"hx": h}
    given = {"input_gates": x @ module.weight_ih.T, "hidden_gates": h @ module.weight_hh.T, **states,
             "input_bias": module.bias_ih, "hidden_bias": module.bias_hh}  # fmt: skip
    theirs = module(x, (h, c)) if gates == 4 else (module(x, h),)
    for ours, expected in zip(ran(name, given, [(2, 3)] * 3), theirs, strict=True):
        np.testing.assert_allclose(ours, expected.detach().numpy(), rtol=1e-9)


def test_linear_backward() -> None:
    x, w, g = rand(2, 3, 5).requires_grad_(), rand(4, 5).requires_grad_(), rand(2, 3, 4)
    bias = rand(4).requires_grad_()
    nn.functional.linear(x, w, bias).backward(g)
    given: dict[str, Any] = {"self": x, "grad_output": g, "weight": w, "output_mask": (True, True, True)}
    for ours, tensor in zip(ran("linear_backward", given, [(2, 3, 5), (4, 5), (4,)]), (x, w, bias), strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-9)
