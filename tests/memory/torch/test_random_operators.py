"""Operators put together at random, gradients of all layouts: each allocation to the byte, or a label.

``NNCOST_MEMORY_EXAMPLES`` asks for more examples than the suite has time for.
"""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from tests.memory.torch.operators import FUNCTIONS, LABELLED, LAYERS, READS, SHAPE, Chain
from tests.memory.torch.truth import OPTIMIZERS, check_allocations, followed

EXAMPLES = int(os.environ.get("NNCOST_MEMORY_EXAMPLES", "60"))
INPUTS = (torch.ones(SHAPE),)


@pytest.mark.parametrize("name", [*FUNCTIONS, *LAYERS])
def test_a_transposed_gradient(name: str) -> None:
    check_allocations(Chain((name,), "transposed"), INPUTS)


@pytest.mark.parametrize("name", LABELLED)
def test_what_depends_on_values_is_labelled(name: str) -> None:
    memory = nncost.count(Chain((name,), "plain"), INPUTS, loss="squared_error", optimizer="sgd").memory
    assert not memory.exact
    assert memory.notes


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Up to four functions and layers, some in a checkpoint, read in some way."""
    names = tuple(draw(st.lists(st.sampled_from([*FUNCTIONS, *LABELLED, *LAYERS]), min_size=1, max_size=4)))
    again = draw(st.frozensets(st.integers(0, len(names) - 1), max_size=2))
    return Chain(names, draw(st.sampled_from(list(READS))), again, reentrant=draw(st.booleans()))


@settings(max_examples=EXAMPLES)
@given(chains(), st.sampled_from(sorted(OPTIMIZERS)), st.sampled_from([None, True]))
def test_each_allocation_is_the_allocators_or_a_label_says_that_it_is_not(
    chain: Chain, optimizer: str, learn: bool | None
) -> None:
    if set(chain.names) & set(LABELLED):
        timeline = followed(chain, INPUTS, optimizer, learn)
        assert timeline.unknown_workspace
    else:
        check_allocations(chain, INPUTS, optimizer, learn)
