"""Blocks analysed once count as blocks analysed each: in every row, for every network."""

from __future__ import annotations

import copy
import logging
from logging.handlers import BufferingHandler
from typing import Any

import pytest
import torch

import nncost
from nncost.report import Report

from .blocks import DEPTH, NETWORKS, RUNS, WIDTH, Stack


def counted(module: torch.nn.Module, *, reuse: bool, **settings: Any) -> Report:
    return nncost.count(module, (3, WIDTH), reuse=reuse, **settings)


@pytest.mark.parametrize("training", [{}, {"loss": "sum"}, {"loss": "cross_entropy", "optimizer": "adamw"}])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_row_is_the_same(name: str, training: dict[str, str]) -> None:
    module = NETWORKS[name]()
    once, each = (counted(module, reuse=reuse, **training).to_dict() for reuse in (True, False))
    assert once == each
    assert once["complete"]


@pytest.mark.parametrize("name", NETWORKS)
def test_traced_and_derived_contractions_agree_layer_by_layer(name: str) -> None:
    if name == "checkpointed":
        pytest.skip("what is computed again is the traced step's own")
    module = NETWORKS[name]()
    traced = counted(module, reuse=True, loss="squared_error")
    derived = counted(module, reuse=True, loss="squared_error", backward="derived")
    for phase in ("forward", "backward"):
        assert products(traced, phase) == products(derived, phase)


def products(report: Report, phase: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in report.rows:
        if row.phase == phase and row.counts.get("macs", 0):
            found[row.path] = found.get(row.path, 0) + row.counts["macs"]
    return found


def test_only_two_blocks_run() -> None:
    module, told = Stack(), BufferingHandler(1_000)
    RUNS.addHandler(told)
    RUNS.setLevel(logging.DEBUG)
    RUNS.propagate = False  # to handlers whose code is not known
    # The second confirms what the first has shown; memory is followed in the first and the last two.
    for reuse, times in ((True, 2 + 3), (False, DEPTH + DEPTH)):
        told.buffer.clear()
        counted(module, reuse=reuse, loss="sum")
        assert len(told.buffer) == times
    RUNS.removeHandler(told)


def test_blocks_of_different_widths_are_not_alike() -> None:
    module = Stack()
    module.blocks[2].up = torch.nn.Linear(WIDTH, 5 * WIDTH)
    module.blocks[2].down = torch.nn.Linear(5 * WIDTH, WIDTH)
    for settings in ({}, {"loss": "sum"}):
        report = counted(module, reuse=True, **settings)
        assert report.forward.macs == 3 * (WIDTH * WIDTH + 3 * 4 * WIDTH**2 + 10 * WIDTH**2 + 2 * WIDTH)
        assert report.to_dict() == counted(module, reuse=False, **settings).to_dict()


def test_a_checkpointed_block_computes_its_forward_again() -> None:
    plain, again = (counted(NETWORKS[name](), reuse=True, loss="sum") for name in ("residual", "checkpointed"))
    assert plain.forward.macs == again.forward.macs
    # Recomputing stops once everything needed is there: before the last product of each block.
    assert again.backward.macs - plain.backward.macs == DEPTH * 3 * 2 * WIDTH * WIDTH


def test_a_module_is_as_before() -> None:
    module = NETWORKS["attribute changed"]()
    before = [copy.copy(vars(part)) for part in module.modules()]
    counted(module, reuse=True, loss="sum")
    assert [list(vars(part).items()) for part in module.modules()] == [list(kept.items()) for kept in before]


def test_a_module_that_contains_itself() -> None:
    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.again = torch.nn.Linear(4, 4), self

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    assert nncost.count(Own(), (2, 4)).forward.macs == 32
