"""Which blocks run: neighbours in the middle, enough of each kind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nncost.frontends.model import Inputs
from nncost.frontends.torch.allocation.recorder import Flow
from nncost.timing.rehearsal.blocks import Block, Container, containers_of
from nncost.timing.rehearsal.choice import Choice, chosen, seconds_inside
from tests.timing.rehearsal.made_up_time import recorded
from tests.timing.rehearsal.networks import TOLD
from tests.timing.rehearsal.test_sampled_step import X
from tests.trials import trials

_FLOW = Flow((), None, ())


def _compiled_around(module: nn.Module) -> nn.Module:
    return cast("nn.Module", torch.compile(module, backend="eager"))


def _compiled_inside(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


def _container(kinds: list[int]) -> Container:
    """Blocks in a row, each of a kind; their paths are their places."""
    made = [
        Block(str(place), 10 * place, _FLOW, (), frozenset(), frozenset(), has_backward=True, writes=False)
        for place in range(len(kinds))
    ]
    groups = [tuple(block for block, kind in zip(made, kinds, strict=True) if kind == each) for each in set(kinds)]
    return tuple(groups)


@settings(max_examples=trials(300))
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.floats(0, 1), st.integers(1, 3))
def test_the_blocks_that_run(kinds: list[int], share: float, fewest: int) -> None:
    container = _container(kinds)
    paths = chosen(container, share, fewest)
    if paths is None:
        return
    places = sorted(map(int, paths))
    assert places == list(range(places[0], places[0] + len(places)))  # neighbours
    assert len(places) < len(kinds)
    assert len(places) >= int(share * len(kinds))
    assert abs(places[0] - (len(kinds) - 1 - places[-1])) <= 1  # in the middle
    assert all(sum(block.path in paths for block in group) >= fewest for group in container)
    fewer = chosen(container, 0.0, fewest)
    assert fewer is not None
    assert len(fewer) <= len(paths)


def test_fewer_blocks_cannot_be_left_out() -> None:
    assert chosen(_container([0, 0]), 0.0) is None
    assert chosen(_container([0, 0, 0, 0]), 1.0) is None
    assert chosen(_container([0, 0, 0, 0]), 0.0) == {"1", "2"}
    assert chosen(_container([0, 1, 0, 1, 0, 1, 0, 1]), 0.0) == {"2", "3", "4", "5"}


def test_all_blocks_of_a_choice() -> None:
    choice = Choice([_container([0, 1, 0]), _container([2] * 4)], frozenset(), frozenset())
    assert choice.blocks == 7
    assert len(choice.groups) == 3


def test_seconds_inside_of_blocks() -> None:
    container = _container([0, 0])
    seconds = {("0", "forward"): 1.0, ("1.inner", "backward"): 2.0, ("1", "update"): 4.0, ("10", "forward"): 8.0}
    assert seconds_inside(seconds, container, ("forward", "backward")) == 3.0


def test_equal_blocks_are_found_wherever_they_are() -> None:
    module = nn.Sequential(TOLD["residual"](), nn.Sequential(*(nn.Linear(8, 8) for _ in range(5))))
    containers = containers_of(module, recorded(module, X))
    found = [[block.path for block in group] for container in containers for group in container]
    assert found == [
        [f"0.blocks.{n}" for n in range(6)],
        [f"1.{n}" for n in range(4)],
    ]  # the last one's gradient is a single number


def test_three_are_too_few_and_other_sizes_are_not_equal() -> None:
    for widths in ([8] * 4, [8, 9, 8, 9, 8, 9, 8]):
        module = nn.Sequential(*(nn.Linear(*sizes) for sizes in pairwise(widths)))
        assert containers_of(module, recorded(module, Inputs((X.args[0],)))) == []


@pytest.mark.parametrize("compiled", [_compiled_around, _compiled_inside])
def test_compiled_layers_are_left_alone(compiled: Callable[[nn.Module], nn.Module]) -> None:
    for module in (
        nn.Sequential(*(compiled(nn.Linear(8, 8)) for _ in range(6))),
        compiled(nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))),
    ):
        assert containers_of(module, recorded(module, X)) == []
