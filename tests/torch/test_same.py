"""The same network costs the same, however it is wrapped, stored, flagged or run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import nncost
from nncost.pipeline.keywords import settings_of
from nncost.pipeline.report_on import report_on
from nncost.report import Report
from tests.torch.fingerprint import no_trace
from tests.torch.vision import import_torchvision

ROOT = Path(__file__).resolve().parents[2]
ARITHMETIC = ("mul", "add", "div", "sqrt", "cmp", "exp", "macs")


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(2, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(functional.relu(self.norm(self.first(x))))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        Residual(8),
        Residual(8),
        Residual(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def blocks_alone() -> nn.Module:
    return nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(4)])


def transformer() -> nn.Module:
    return nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 3, enable_nested_tensor=False
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutional": (convolutional, (2, 3, 10, 10)),
    "blocks alone": (blocks_alone, (4, 8)),
    "transformer": (transformer, (2, 6, 8)),
    "recurrent": (lambda: nn.LSTM(8, 8, num_layers=2, batch_first=True), (2, 6, 8)),
    "dense": (lambda: nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2)), (4, 8)),
}
EACH = pytest.mark.parametrize("name", NETWORKS)


def counts(report: Report, phases: tuple[str, ...] = ("forward", "backward", "update")) -> dict[str, Any]:
    assert report.complete, report.unknown
    return {f"{phase}.{name}": report.totals[phase][name] for phase in phases for name in ARITHMETIC}


def by_layer(report: Report) -> dict[tuple[str, str], Any]:
    return {(row.path, row.phase): row.counts.get("macs", 0) for row in report.rows}


def counted(module: nn.Module, shape: Any, **options: Any) -> Report:
    return nncost.count(module, shape, **{"loss": "sum", "optimizer": "sgd", **options})


@EACH
def test_evaluated_or_training(name: str) -> None:
    build, shape = NETWORKS[name]
    module = build()
    expected = nncost.count(module.train(), shape)
    assert counts(nncost.count(module.eval(), shape)) == counts(expected)
    for mode in ("train", "inference"):
        assert nncost.count(module, shape, mode=mode).forward.macs == expected.forward.macs
    step = counts(counted(module.train(), shape))
    assert counts(counted(module.eval(), shape)) == step
    assert step["forward.macs"] == expected.forward.macs


@EACH
@pytest.mark.parametrize("around", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_inside_of_any_gradient_mode(name: str, around: Any) -> None:
    build, shape = NETWORKS[name]
    module = build()
    expected = counted(module, shape)
    with around():
        report = counted(module, shape)
        built = counted(build(), shape)
    assert counts(report) == counts(built) == counts(expected)
    assert by_layer(report) == by_layer(expected)


@EACH
def test_equal_blocks_analysed_once_or_each(name: str) -> None:
    build, shape = NETWORKS[name]
    module = build()
    settings = settings_of(shape, loss="sum", optimizer="adamw")
    each = report_on(module, replace(settings, load=replace(settings.load, reuse=False)))
    once = report_on(module, settings)
    assert counts(once) == counts(each)
    assert by_layer(once) == by_layer(each)
    assert once.parameters == each.parameters
    assert once.backward.macs > 0


@EACH
def test_tensors_or_shapes(name: str) -> None:
    build, shape = NETWORKS[name]
    module = build()
    expected = counts(counted(module, shape))
    assert counts(counted(module, torch.randn(shape))) == expected
    assert counts(counted(module, torch.empty(shape, device="meta"))) == expected
    assert counts(counted(module, "x".join(map(str, shape)))) == expected


@EACH
def test_weights_on_meta(name: str) -> None:
    build, shape = NETWORKS[name]
    expected = counted(build(), shape)
    with torch.device("meta"):
        module = build()
    report = counted(module, shape)
    assert counts(report) == counts(expected)
    assert report.parameters == expected.parameters


@EACH
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_types(name: str, dtype: torch.dtype) -> None:
    build, shape = NETWORKS[name]
    expected = counted(build(), shape)
    report = counted(build().to(dtype), shape)
    assert counts(report) == counts(expected)
    assert report.parameters.bytes == expected.parameters.bytes * dtype.itemsize // 4
    assert report.settings["dtype"] == str(dtype).removeprefix("torch.")


@EACH
def test_autocast(name: str) -> None:
    build, shape = NETWORKS[name]
    module = build()
    expected = counted(module, shape)

    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: torch.Tensor) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return self.inner(x)

    with torch.autocast("cpu", torch.bfloat16):
        outside = counted(module, shape)
    inside = counted(Cast(), shape)
    for report in (outside, inside):
        assert report.forward.macs == expected.forward.macs
        assert report.backward.macs == expected.backward.macs
        assert counts(report, ("update",)) == counts(expected, ("update",))


@EACH
def test_wrapped(name: str) -> None:
    build, shape = NETWORKS[name]
    module = build()
    expected = counts(counted(module, shape))
    assert counts(counted(nn.DataParallel(module), shape)) == expected
    assert counts(counted(nn.Sequential(module), shape)) == expected


@pytest.mark.parametrize("name", ["convolutional", "dense"])
def test_channels_last_and_graphs(name: str) -> None:
    build, shape = NETWORKS[name]
    expected = counts(counted(build(), shape))
    if len(shape) == 4:
        module = build().to(memory_format=torch.channels_last)
        assert counts(counted(module, torch.randn(shape).to(memory_format=torch.channels_last))) == expected
    assert counts(counted(torch.fx.symbolic_trace(build()), shape)) == expected
    exported = torch.export.export(build(), (torch.randn(shape),)).module()
    assert counts(nncost.count(exported, shape), ("forward",)) == {
        key: value for key, value in expected.items() if key.startswith("forward")
    }


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("name", ["convolutional", "dense", "transformer"])
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compiled_before_and_after_a_call(name: str, called: bool) -> None:
    build, shape = NETWORKS[name]
    expected = counted(build(), shape)
    module = torch.compile(build(), backend="eager")
    if called:
        module(torch.randn(shape))
    report = counted(module, shape)
    assert counts(report) == counts(expected)
    assert by_layer(report) == by_layer(expected)
    in_place = build()
    in_place.compile(backend="eager")
    assert counts(counted(in_place, shape)) == counts(expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_a_compiled_part() -> None:
    module = convolutional()
    expected = counted(module, (2, 3, 10, 10))
    module[1] = torch.compile(module[1], backend="eager")
    module(torch.randn(2, 3, 10, 10))
    assert counts(counted(module, (2, 3, 10, 10))) == counts(expected)
    assert by_layer(counted(module, (2, 3, 10, 10))) == by_layer(expected)


def test_parameters_held_twice() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(4, 4, bias=False)
            self.held = [self.dense.weight]
            self.named = {"weight": self.dense.weight}

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.held[0] + x @ self.named["weight"]

    report = counted(Held(), (2, 4))
    assert (report.forward.macs, report.backward.macs, report.parameters.total) == (64, 64, 16)
    assert report.update.mul == 16


class OldCheckpoint(torch.autograd.Function):
    """A checkpoint as other libraries write it."""

    @staticmethod
    def forward(ctx: Any, block: nn.Module, x: torch.Tensor) -> torch.Tensor:
        ctx.block = block
        ctx.save_for_backward(x)
        with torch.no_grad():
            return block(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        if not torch.autograd._is_checkpoint_valid():
            raise RuntimeError("Checkpointing is not compatible with .grad(), please use .backward() if possible")
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.block(x)
        torch.autograd.backward(y, gradient)
        return None, x.grad


CHECKPOINTS: dict[str, Any] = {
    "new": lambda block, x: checkpoint(block, x, use_reentrant=False),
    "reentrant": lambda block, x: checkpoint(block, x, use_reentrant=True),
    "of another library": OldCheckpoint.apply,
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_run_their_blocks_again(kind: str) -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 8)
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            for block in self.blocks:
                x = CHECKPOINTS[kind](block, x)
            return x

    module, product = Checkpointed(), 4 * 8 * 8
    with no_trace(module):
        report = counted(module, (4, 8))
    assert report.forward.macs == 4 * product
    assert (
        report.backward.macs == (3 + 3 + 4) * product
    )  # the blocks again, their input gradients, all weight gradients
    assert report.loss.macs == 0
    assert report.update.mul == report.backward.derivatives == 4 * 72


# ------------------------------------------------------------------- transformers
def llama(**options: Any) -> nn.Module:
    import_torchvision()
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=2, vocab_size=100, **options))


def test_attention_written_out_or_fused() -> None:
    ids = {"input_ids": "2x16:int64"}
    reports = [counted(llama(attn_implementation=way), ids) for way in ("eager", "sdpa")]
    assert reports[0].forward.macs == reports[1].forward.macs
    assert reports[0].backward.macs == reports[1].backward.macs
    assert reports[0].parameters == reports[1].parameters
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48
    assert reports[0].forward.macs == 32 * (3 * layer + 32 * 100) + 3 * 2 * (2 * 16 * 16 * 32)


SEVEN_BILLION = """
import resource
from tests.torch.vision import import_torchvision
import_torchvision()
import torch
from transformers import LlamaConfig, LlamaForCausalLM
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with torch.device("meta"):
    model = LlamaForCausalLM(LlamaConfig())
import nncost
report = nncost.count(model, {"input_ids": "1x512:int64"}, loss="cross_entropy", optimizer="adamw")
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(report.parameters.total, report.forward.macs, report.backward.macs, report.update.mul, report.complete, grown)
"""


def test_seven_billion_parameters_take_no_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SEVEN_BILLION],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=True,
    )  # fmt: skip
    parameters, forward, backward, update, complete, grown = done.stdout.split()
    layer = 4 * 4096**2 + 3 * 4096 * 11_008
    products = 512 * (32 * layer + 4096 * 32_000) + 32 * 2 * 512**2 * 4096
    assert int(parameters) == 6_738_415_616
    assert int(forward) == products == 3_451_543_093_248
    assert int(backward) == 2 * products  # the embedding is trained, so every layer passes its gradient on
    assert int(update) == 6 * 6_738_415_616
    assert complete == "True"
    assert int(grown) <= 400 * 2**20


@pytest.mark.parametrize(
    ("module", "example", "neurons"),
    [
        (nn.Linear(8, 5), (8,), 5),
        (nn.Linear(8, 5, bias=False), (3, 8), 15),
        (nn.Conv2d(3, 4, 3), (3, 8, 8), 4 * 36),
        (nn.Conv1d(3, 6, 3, groups=3), (3, 8), 6 * 6),
        (nn.ConvTranspose1d(3, 4, 3), (3, 8), 4 * 10),
    ],
)
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_neurons_are_those_of_one_example(
    module: nn.Module, example: tuple[int, ...], neurons: int, batch: int
) -> None:
    assert nncost.count(module, (batch, *example)).neurons == neurons
