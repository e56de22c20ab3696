"""A step of some blocks says what the whole one takes, exactly, or nothing: in a time that only operators advance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nncost.frontends.model import Inputs
from nncost.timing.measure.step import Stepper
from nncost.timing.rehearsal.blocks import containers_of
from nncost.timing.rehearsal.sampled_step import SampledStepper
from nncost.timing.rehearsal.surroundings import NotSampledError
from tests.timing.rehearsal import blocks, networks
from tests.timing.rehearsal.live_memory import LiveMemory
from tests.timing.rehearsal.made_up_time import both, choice_of, recorded, subject
from tests.timing.rehearsal.networks import NOT_TOLD, TOLD, Network
from tests.trials import trials

X = Inputs((torch.ones(3, blocks.WIDTH),))


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("name", TOLD)
def test_some_blocks_tell_the_whole_step(name: str, share: float) -> None:
    expected, found = both(TOLD[name](), X, share)
    assert found == expected


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_some_blocks_do_not_tell_is_refused(name: str) -> None:
    try:
        expected, found = both(NOT_TOLD[name](), X)
    except (NotSampledError, AttributeError):  # the latter: a mark that is not there
        return
    assert found in (None, expected)


@pytest.mark.parametrize("name", ["residual", "two kinds in turn", "pairs", "no gradients", "u-net"])
def test_forward_alone(name: str) -> None:
    expected, found = both(TOLD[name](), X, loss=None)
    assert found == expected
    assert expected.step == expected.forward > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "none"])
def test_optimizers(optimizer: str) -> None:
    expected, found = both(TOLD["residual"](), X, optimizer=optimizer)
    assert found == expected


def _residual(layers: nn.Sequential) -> nn.Module:
    return Network(lambda: layers, lambda net, x: x + net.blocks[0](x))


KINDS: list[Callable[[], nn.Module]] = [
    networks.dense,
    blocks.Residual,
    blocks.WithBuffers,
    blocks.Checkpointed,
    blocks.Transposed,
    nn.ReLU,
    nn.Tanh,
    lambda: nn.ReLU(inplace=True),
    lambda: nn.Dropout(0.5),
    lambda: nn.BatchNorm1d(blocks.WIDTH),
    lambda: nn.Sequential(networks.dense(), nn.GELU()),
    lambda: nn.Sequential(*(blocks.Residual() for _ in range(4))),
    lambda: Network(blocks.Residual, networks.chain),
    lambda: Network(blocks.Residual, networks.unet, 8),
    lambda: Network(blocks.Residual, networks.parallel),
    lambda: Network(blocks.Narrow, lambda net, x: torch.cat([block(x) for block in net.blocks[:2]], -1)),
]


@st.composite
def random_networks(draw: st.DrawFn) -> nn.Module:
    """Rows of blocks in rows of blocks; some are frozen."""
    parts: list[nn.Module] = [networks.dense()]
    for _ in range(draw(st.integers(1, 3))):
        kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
        parts.append(nn.Sequential(*(make() for _ in range(draw(st.integers(2, 7))) for make in kinds)))
    if draw(st.booleans()):
        draw(st.sampled_from(parts)).requires_grad_(False)
    if draw(st.booleans()):
        parts = [layer for part in parts for layer in (part.children() if isinstance(part, nn.Sequential) else [part])]
    return nn.Sequential(*parts, networks.dense())


@settings(max_examples=trials(25))
@given(random_networks(), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_random_networks(module: nn.Module, share: float) -> None:
    try:
        expected, found = both(module, X, share)
    except NotSampledError:
        return
    assert found in (None, expected)


# ------------------------------------------------------------------- what is as in the whole step
def _sampled(module: nn.Module, share: float = 0.0) -> tuple[SampledStepper, Any]:
    recording = recorded(module, X)
    choice = choice_of(containers_of(module, recording), recording, share)
    assert choice is not None
    return SampledStepper(subject(module, X), choice), recording


@pytest.mark.parametrize("name", TOLD)
def test_what_is_trained_is_trained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = TOLD[name]()
    stepper, recording = _sampled(module)
    copy, seen = stepper._stepper.module, list[set[str]]()
    update = torch.optim.Adam.step

    def step(self: Any, *args: Any) -> Any:
        seen.append({name for name, p in copy.named_parameters() if p.grad is not None})
        return update(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    for _ in range(2):
        stepper.step()
    assert seen == [set(recording.trained)] * 2


def test_the_module_is_not_changed() -> None:
    module = nn.Sequential(*(blocks.WithBuffers() for _ in range(8))).eval()
    module[3].train()
    module[0].up.weight.grad = torch.ones_like(module[0].up.weight)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    attributes = [sorted(vars(part)) for part in module.modules()]
    flags = [part.training for part in module.modules()]
    _sampled(module)[0].step()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [sorted(vars(part)) for part in module.modules()] == attributes
    assert [part.training for part in module.modules()] == flags
    assert [name for name, p in module.named_parameters() if p.grad is not None] == ["0.up.weight"]


def test_memory_that_blocks_hold_is_what_was_recorded() -> None:
    """Between forward and backward, a Linear holds its result, and each residual block what its four operators keep.

    For a batch of 3 rows of 8: the input is another block's result; the norm's result 96 bytes, its mean and deviation 12
    each; two of the wide layer's, 192 each; the narrow one's result goes after the sum, whose 96 bytes are returned.
    """
    module = TOLD["residual"]()
    (container,) = containers_of(module, recorded(module, X))
    for block in (block for group in container for block in group):
        assert sorted(block.held) == [12, 12, 96, 96, 192, 192]
    module = TOLD["layers in a row"]()
    (container,) = containers_of(module, recorded(module, X))
    assert {block.held for group in container for block in group} == {(96,)}


def test_memory_is_held_as_in_the_whole_step() -> None:
    """When the backward pass begins, a step of some blocks holds what a whole one does."""
    module = TOLD["residual"]()
    recording = recorded(module, X)
    choice = choice_of(containers_of(module, recording), recording, 0.0)
    assert choice is not None
    held = [0]

    def loss(output: Any) -> torch.Tensor:
        held.append(alive.bytes)
        return output.sum()

    with LiveMemory() as alive:
        for stepper in (Stepper(subject(module, X, loss)), SampledStepper(subject(module, X, loss), choice)):
            stepper.step()
            before = alive.bytes
            stepper.step()
            held[-1] -= before
    assert held[-1] == held[2] > 0
