"""What operators take inside: learned once, kept on disk, within bounds of work, and said where it is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.frontends.torch.allocation import workspace_cache
from nncost.frontends.torch.allocation.memory_call import MemoryCall
from nncost.frontends.torch.allocation.workspace_probe import probe_workspace
from nncost.frontends.torch.allocation.workspace_rules import made_small, may_run, takes_results_only
from nncost.frontends.torch.tracing.call_signature import Literal, Operand
from tests.memory.torch.truth import step_of

IMAGE = (2, 3, 16, 16)
aten = torch.ops.aten


def network() -> nn.Module:
    """A convolution, whose kernel takes workspace."""
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


def counted(learn: bool | None = None) -> nncost.Report:
    return nncost.count(network(), IMAGE, loss="squared_error", optimizer="sgd", learn=learn)


def operand(*shape: int, dtype: torch.dtype = torch.float32, same: int = 0) -> Operand:
    tensor = torch.empty(shape, dtype=dtype, device="meta")
    return Operand(tuple(tensor.shape), tensor.stride(), dtype, same)


def test_without_learning_a_report_says_so(folder: Path) -> None:
    memory = counted(learn=False).memory
    assert not memory.exact
    assert any("aten::convolution" in note for note in memory.notes)
    truth = step_of(network(), (torch.ones(IMAGE),), "squared_error", "sgd").peak
    assert memory.step_allocated is not None
    assert memory.step_allocated < truth
    assert not any(folder.rglob("*.json"))


def test_what_was_learned_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = counted().memory
    (file,) = folder.rglob("*.json")
    content = json.loads(file.read_text())
    assert content["conditions"]["torch"] == torch.__version__
    assert content["conditions"]["threads"] == torch.get_num_threads()
    workspace_cache._known.clear()  # as in another process

    def refused(call: MemoryCall) -> None:
        raise AssertionError(call.operator)

    monkeypatch.setattr(workspace_cache, "probe_workspace", refused)
    assert counted().memory == first
    assert counted(learn=False).memory == first
    assert first.exact


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"schema": "other"}', b'{"schema": "nncost.torch-memory/2", "workspaces": 3}']
)
def test_a_damaged_cache_is_an_empty_one(folder: Path, content: bytes) -> None:
    first = counted().memory
    (file,) = folder.rglob("*.json")
    file.write_bytes(content)
    workspace_cache._known.clear()
    assert counted().memory == first


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "file" / "inside"))
    assert counted().memory.exact


def test_bounds_are_of_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_cache, "MOST_MACS", 1000)
    assert not counted().memory.exact
    assert counted(learn=True).memory.exact


def test_results_are_told_from_workspace() -> None:
    call = MemoryCall(aten.mul.Tensor, (operand(64, 100), Literal(float, 0.5)), (), results=1)
    workspace = probe_workspace(call)
    assert workspace is not None
    assert workspace.allocations == (8, 4, 64 * 100 * 4, -2, -1)
    assert workspace.results == (3,)


def test_elementwise_operators_are_learned_small() -> None:
    call = MemoryCall(aten.add.Tensor, (operand(10_000, 300), operand(300, same=1)), ())
    small = made_small(call)
    assert small is not None
    assert [value.shape for value in small.args] == [(7, 7), (7,)]
    assert [value.stride for value in small.args] == [(7, 1), (1,)]
    assert made_small(MemoryCall(aten.sum.default, (operand(10, 10),), ())) is None


def test_what_takes_its_results_only_takes_no_more() -> None:
    """The table's operators, run: nothing but their results."""
    calls = [
        MemoryCall(aten.mm.default, (operand(30, 20), operand(20, 40, same=1)), (), results=1),
        MemoryCall(
            aten.mm.default,
            (operand(30, 20), operand(40, 20, same=1)._replace(shape=(20, 40), stride=(1, 20))),
            (),
            results=1,
        ),
        MemoryCall(aten.addmm.default, (operand(40), operand(30, 20, same=1), operand(20, 40, same=2)), (), results=1),
        MemoryCall(aten.embedding.default, (operand(50, 20), operand(3, 4, dtype=torch.int64, same=1)), (), results=1),
        MemoryCall(
            aten.embedding_dense_backward.default,
            (operand(3, 4, 20), operand(3, 4, dtype=torch.int64, same=1), 50, -1, Literal(bool, False)),
            (),
            results=1,
        ),
        MemoryCall(aten.empty_like.default, (operand(30, 20),), (), results=1),
        MemoryCall(aten.zeros_like.default, (operand(30, 20),), (), results=1),
        MemoryCall(aten.ones_like.default, (operand(30, 20),), (), results=1),
        MemoryCall(aten.new_zeros.default, (operand(3), (30, 20)), (), results=1),
        MemoryCall(aten.zero_.default, (operand(30, 20),), (), results=1),
        MemoryCall(aten.fill_.Scalar, (operand(30, 20), Literal(float, 2.0)), (), results=1),
    ]
    for call in calls:
        assert takes_results_only(call), call.operator
        workspace = probe_workspace(call)
        assert workspace is not None
        assert len(workspace.allocations) == sum(place > 0 for place in workspace.results), call.operator


def test_a_product_of_odd_strides_is_learned() -> None:
    expanded = operand(30, 20)._replace(stride=(0, 0))
    call = MemoryCall(aten.mm.default, (expanded, operand(20, 40, same=1)), (), results=1)
    assert not takes_results_only(call)
    workspace = probe_workspace(call)
    assert workspace is not None
    assert max(workspace.allocations) > 0
    assert len(workspace.allocations) > 1


def test_kernels_that_trust_their_arguments_are_not_run_on_made_up_ones() -> None:
    assert not may_run(MemoryCall(aten._cudnn_rnn_backward.default, (), ()))
    assert not may_run(MemoryCall(torch.ops.prims.add.default, (), ()))
    assert may_run(MemoryCall(aten.convolution.default, (), ()))


@pytest.mark.parametrize(
    "inside",
    [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")],
    ids=["no_grad", "inference", "device"],
)
def test_what_the_caller_is_inside_of_changes_nothing(folder: Path, inside: Callable[[], Any]) -> None:
    expected, module = counted().memory, network()
    workspace_cache._known.clear()
    next(folder.rglob("*.json")).unlink()
    with inside():
        report = nncost.count(module, IMAGE, loss="squared_error", optimizer="sgd")
    assert report.memory == expected


def test_under_a_profiler_a_report_says_what_is_missing(folder: Path) -> None:
    from torch.profiler import profile

    module = network()
    with profile(profile_memory=True):
        memory = nncost.count(module, IMAGE, loss="squared_error", optimizer="sgd").memory
    assert not memory.exact
    assert not any(folder.rglob("*.json"))  # it may be learned another time
    workspace_cache._known.clear()
    assert counted().memory.exact


def test_nothing_is_left_behind(folder: Path) -> None:
    module = network()
    torch.manual_seed(3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.get_rng_state()
    names = (nn.functional.linear, torch.get_rng_state, torch.random.get_rng_state, dict(vars(torch._VF)))
    nncost.count(module, IMAGE, loss="squared_error", optimizer="adam", learn=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert names == (nn.functional.linear, torch.get_rng_state, torch.random.get_rng_state, dict(vars(torch._VF)))


@pytest.mark.parametrize("reuse", [True, False])
def test_alike_blocks_change_nothing(reuse: bool) -> None:
    module = nn.Sequential(*[nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)) for _ in range(4)])
    report = nncost.count(module, (5, 8), loss="squared_error", optimizer="adam", reuse=reuse)
    assert report.memory.step_allocated == step_of(module, (torch.ones(5, 8),), "squared_error", "adam").peak
