"""Modules wrapped to train on many devices: counted as one device computes, and left ready to train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.errors import SourceError

dist = pytest.importorskip("torch.distributed")
if not dist.is_available() or not dist.is_gloo_available():
    pytest.skip("no process groups here", allow_module_level=True)
from torch.distributed._functional_collectives import all_gather_tensor, all_reduce, reduce_scatter_tensor  # noqa: E402
from torch.distributed.device_mesh import init_device_mesh  # noqa: E402
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard  # noqa: E402
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module  # noqa: E402
from torch.testing._internal.distributed.fake_pg import FakeStore  # noqa: E402

RANKS = 4
X = torch.randn(5, 4)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.fixture
def several() -> Iterator[None]:
    dist.init_process_group("fake", rank=0, world_size=RANKS, store=FakeStore())
    yield
    dist.destroy_process_group()


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))


def sharded(mesh: Any) -> nn.Module:
    module = network()
    for layer in (module[0], module[2], module):
        fully_shard(layer, mesh=mesh)
    return module


def parallel(mesh: Any) -> nn.Module:
    return parallelize_module(network(), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})  # type: ignore[no-any-return]


def wrapped(how: str) -> nn.Module:
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    if how == "ddp":
        return nn.parallel.DistributedDataParallel(network())
    if how.startswith("flat"):
        options: dict[str, Any] = {"device_id": torch.device("cpu"), "use_orig_params": how == "flat_originals"}
        module = network()
        if how == "flat_nested":
            module[0] = FullyShardedDataParallel(module[0], **options)
        return FullyShardedDataParallel(module, **options)
    return sharded(mesh) if how == "fully_shard" else parallel(mesh)


WRAPPERS = ("ddp", "fully_shard", "tensor_parallel", "flat", "flat_nested", "flat_originals")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("how", WRAPPERS)
@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.usefixtures("alone")
def test_one_rank_counts_as_the_module_alone_and_trains_afterwards(how: str, ran: bool) -> None:
    plain = nncost.count(network(), (5, 4), loss="sum", optimizer="adam")
    module = wrapped(how)
    if ran:
        module(X).sum().backward()
        module.zero_grad()
    for inputs in ((5, 4), X):
        report = nncost.count(module, inputs, loss="sum", optimizer="adam")
        assert (report.forward.macs, report.backward.macs) == (plain.forward.macs, plain.backward.macs) == (320, 480)
        assert (report.update.mul, report.parameters.total) == (plain.update.mul, plain.parameters.total)
        assert report.complete
    module(X).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("how", WRAPPERS)
@pytest.mark.usefixtures("alone")
def test_a_count_that_fails_leaves_them_ready(how: str) -> None:
    module = wrapped(how)
    with pytest.raises(RuntimeError):
        nncost.count(module, (5, 3), loss="sum")
    module(X).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.usefixtures("several")
def test_tensor_parallel_layers_compute_their_part() -> None:
    report = nncost.count(wrapped("tensor_parallel"), (5, 4), loss="sum", optimizer="adam")
    assert (report.forward.macs, report.backward.macs) == (320 // RANKS, 480 // RANKS)
    # The sum over ranks: 5·4 elements, of which each rank adds up a quarter, from three others.
    alone = 5 * 8 // RANKS * 4 + 5 * 4 * (8 // RANKS - 1) + 5 * 4
    assert report.forward.add == alone + 5 * 4 * (RANKS - 1) // RANKS
    assert report.parameters.bytes == 4 * (4 * 8 // RANKS + 8 // RANKS + 8 * 4 // RANKS + 4)
    assert report.complete
    assert any("on 4 ranks" in note for note in report.notes)


@pytest.mark.parametrize("how", ["ddp", "fully_shard", "flat"])
@pytest.mark.usefixtures("several")
def test_data_parallel_wrappers_say_what_they_add(how: str) -> None:
    report = nncost.count(wrapped(how), (5, 4), loss="sum")
    assert (report.forward.macs, report.backward.macs) == (320, 480)
    assert any("on 4 ranks" in note and "not counted" in note for note in report.notes)


@pytest.mark.parametrize(
    ("collective", "add", "read", "written"),
    [(lambda y, group: all_reduce(y, "sum", group), 15, 80, 80),
     (lambda y, group: all_gather_tensor(y, 0, group), 0, 80, 320),
     (lambda y, group: reduce_scatter_tensor(y, "sum", 1, group), 15, 160, 100)],
)  # fmt: skip
@pytest.mark.usefixtures("several")
def test_collectives_are_bytes_and_additions(collective: Any, add: int, read: int, written: int) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return collective(x, dist.group.WORLD)

    report = nncost.count(Net(), (5, 4))
    assert (report.forward.add, report.forward.read_bytes, report.forward.write_bytes) == (add, read, written)
    assert report.complete


@pytest.mark.usefixtures("several")
def test_two_ways_of_sharding_at_once_are_refused() -> None:
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "layer"))
    module = fully_shard(parallel(mesh["layer"]), mesh=mesh["data"])
    with pytest.raises(SourceError, match="before fully_shard"):
        nncost.count(module, (5, 4))


@pytest.mark.parametrize("how", WRAPPERS)
@pytest.mark.usefixtures("alone")
def test_the_users_optimizer(how: str) -> None:
    module = wrapped(how)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    assert nncost.count(module, (5, 4), loss="sum", optimizer=optimizer).update.mul == 4 * 8 + 8 + 8 * 4 + 4
    module(X).sum().backward()
    optimizer.step()
