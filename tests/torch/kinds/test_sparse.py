"""Sparse tensors that are given, held or made: products by what they store, updates by what was looked up."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.errors import OptionError, SourceError

EDGES = torch.tensor([[0, 0, 1, 5, 4], [1, 2, 2, 5, 0]])
LINKS = torch.zeros(6, 6).index_put((EDGES[0], EDGES[1]), torch.ones(()))
STORED, COLUMNS, DENSE = 5, 4, 6 * 4 * 4
LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "coo": torch.Tensor.to_sparse, "csr": torch.Tensor.to_sparse_csr, "csc": torch.Tensor.to_sparse_csc,
    "bsr": lambda dense: dense.to_sparse_bsr((2, 2)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Graph(nn.Module):
    """A dense layer and what is done with it and a sparse matrix, a buffer or a second input."""

    def __init__(self, use: Any, links: torch.Tensor | None = None) -> None:
        super().__init__()
        self.dense = nn.Linear(COLUMNS, COLUMNS, bias=False)
        self.use = use
        self.register_buffer("links", links)

    def forward(self, x: torch.Tensor, links: Any = None) -> Any:
        return self.use(self.links if links is None else links, self.dense(x))


def of_edges(edges: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.sparse_coo_tensor(edges, torch.ones(edges.shape[1]), (6, 6)) @ y


def of_dense(edges: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.zeros(6, 6).index_put((edges[0], edges[1]), torch.ones(())).to_sparse() @ y


@pytest.mark.parametrize("use", [of_edges, of_dense])
def test_a_matrix_that_is_made_of_edges(use: Any) -> None:
    report = nncost.count(Graph(use), (torch.randn(6, 4), EDGES), loss="sum")
    assert report.forward.macs == DENSE + STORED * COLUMNS
    assert report.backward.macs == DENSE + STORED * COLUMNS
    assert report.complete


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("held", [True, False])
def test_layouts_given_and_held(layout: str, held: bool) -> None:
    links = LAYOUTS[layout](LINKS)
    stored = links.values().numel() if layout != "coo" else STORED
    module = Graph(lambda a, y: a @ y, links if held else None)
    for inputs in [(6, 4)] if held else [(torch.randn(6, 4), links)]:
        assert nncost.count(module, inputs).forward.macs == DENSE + stored * COLUMNS  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
@pytest.mark.parametrize(
    ("use", "mul"),
    [(lambda a, y: (a * 2) @ y, STORED), (lambda a, y: a.t() @ y, 0), (lambda a, y: a.abs() @ y, 0)],
)
def test_what_is_done_to_stored_values(layout: str, use: Any, mul: int) -> None:
    report = nncost.count(Graph(use, LAYOUTS[layout](LINKS)), (6, 4))
    assert report.forward.mul == DENSE + STORED * COLUMNS + mul
    assert report.complete


def test_parts_of_what_was_made() -> None:
    report = nncost.count(Graph(lambda a, y: a.t().coalesce().values() * 2 + y.sum(), LINKS.to_sparse()), (6, 4))
    assert (report.forward.mul, report.forward.add) == (DENSE + STORED, 6 * 3 * 4 + 23 + STORED)


def test_how_much_is_stored_depends_on_values() -> None:
    module = Graph(lambda _, y: (y @ y.t()).relu().to_sparse() @ y)
    x = torch.randn(6, 4)
    y = module.dense(x)
    stored = int((y @ y.t()).relu().count_nonzero())
    assert nncost.count(module, x).forward.macs == DENSE + 6 * 6 * 4 + stored * COLUMNS
    with pytest.raises(SourceError, match="how many values the sparse tensors of Graph store"):
        nncost.count(module, (6, 4))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_are_those_of_values_and_their_places(layout: str) -> None:
    links = LAYOUTS[layout](LINKS)
    report = nncost.count(Graph(lambda a, y: a @ y, links), (6, 4))
    places, values = {"coo": (2 * 5, 5), "csr": (7 + 5, 5), "csc": (7 + 5, 5)}.get(
        layout, (4 + links._nnz(), links.values().numel())
    )
    assert report.memory is not None
    assert report.memory.buffers == places * 8 + values * 4


IDS = torch.randint(0, 1000, (4, 6))
ROWS, WIDTH, HEAD = 24, 8, 18


@pytest.mark.parametrize("ids", [(IDS,), "4x6:int64"])
def test_sgd_updates_the_rows_that_were_looked_up(ids: Any) -> None:
    module = nn.Sequential(nn.Embedding(1000, WIDTH, sparse=True), nn.Linear(WIDTH, 2))
    report = nncost.count(module, ids, loss="sum", optimizer="sgd")
    assert report.update.mul == report.update.add == ROWS * WIDTH + HEAD
    assert report.memory is not None
    assert report.memory.gradients == ROWS * (8 + WIDTH * 4) + HEAD * 4
    assert report.complete


@pytest.mark.parametrize(
    ("optimizer", "per_value"),
    [("sgd", {"mul": 1, "add": 1}), ("adagrad", {"mul": 2, "add": 3, "div": 1, "sqrt": 1}),
     ("sparseadam", {"mul": 4, "add": 8, "div": 1, "sqrt": 1})],
)  # fmt: skip
@pytest.mark.parametrize("table", [nn.Embedding, nn.EmbeddingBag])
def test_optimizers_of_sparse_gradients(table: Any, optimizer: str, per_value: dict[str, int]) -> None:
    options = {"mode": "sum"} if table is nn.EmbeddingBag else {}
    report = nncost.count(table(1000, WIDTH, sparse=True, **options), (IDS,), loss="sum", optimizer=optimizer)
    found = {quantity: getattr(report.update, quantity) for quantity in per_value}
    assert found == {quantity: times * ROWS * WIDTH for quantity, times in per_value.items()}
    assert report.complete


def test_optimizers_that_refuse_sparse_gradients_say_so() -> None:
    with pytest.raises(OptionError, match="does not support sparse gradients"):
        nncost.count(nn.Embedding(10, 4, sparse=True), "2x3:int64", loss="sum", optimizer="adam")
