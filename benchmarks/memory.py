"""``python -m benchmarks.memory``: the peak of a training step, foretold by nncost and others, beside the allocator's own.

The truth is the running sum of the CPU allocator's events over one step (forward, loss, backward, update, gradients set
to None; the optimizer's state exists already), on top of what is there before it: parameters, buffers, optimizer state,
inputs and targets. Bytes are deterministic; two threads. ``--write`` puts the table into docs/memory-torch.md.
"""

from __future__ import annotations

import copy
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

import nncost
from tests.memory.torch.networks import Recurrent, mlp
from tests.memory.torch.truth import OPTIMIZERS, step_of
from tests.torch.vision import import_torchvision

THREADS = 2
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "memory-torch.md"
MARKS = "<!-- memory: table -->", "<!-- end -->"
CLOSE = 0.0005
"""Ratios that would be printed as 1.000: the difference in bytes says more."""
LOSS = "cross_entropy"


@dataclass(frozen=True)
class Subject:
    """A network of a family and its inputs."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Any]


def _torchvision(name: str) -> nn.Module:
    import_torchvision()
    from torchvision import models

    module: nn.Module = getattr(models, name)()
    return module


def _vit() -> nn.Module:
    import_torchvision()
    import timm

    module: nn.Module = timm.create_model("vit_tiny_patch16_224")
    return module


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=4, n_embd=256, n_head=4, vocab_size=5000, bos_token_id=0, eos_token_id=0, use_cache=False
    )
    return GPT2LMHeadModel(config)


def _ids() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.zeros(4, 64, dtype=torch.int64)}


def _image(batch: int, size: int) -> Callable[[], tuple[torch.Tensor, ...]]:
    return lambda: (torch.ones(batch, 3, size, size),)


SUBJECTS = (
    Subject("MLP 20-64-48-48-10", mlp, lambda: (torch.ones(64, 20),)),
    Subject("MLP 784-512-512-10", lambda: nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10),
    ), lambda: (torch.ones(128, 784),)),
    Subject("ResNet-18, 64×64", lambda: _torchvision("resnet18"), _image(4, 64)),
    Subject("MobileNet-V2, 64×64", lambda: _torchvision("mobilenet_v2"), _image(4, 64)),
    Subject("GPT-2, 4 layers of 256", _gpt2, _ids),
    Subject("ViT-Tiny, 224×224", _vit, _image(2, 224)),
    Subject("LSTM, 2 layers of 128", lambda: Recurrent(nn.LSTM(32, 128, 2, batch_first=True), 128), lambda: (torch.ones(16, 40, 32),)),
    Subject("GRU, 2 layers of 64", lambda: Recurrent(nn.GRU(32, 64, 2, batch_first=True), 64), lambda: (torch.ones(16, 20, 32),)),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One network with one optimizer: the allocator's bytes and what each tool says."""

    subject: str
    optimizer: str
    truth: int
    answers: Mapping[str, int]


def rows() -> Iterator[Row]:
    """Every network with every optimizer."""
    torch.set_num_threads(THREADS)
    for subject in SUBJECTS:
        module, inputs = subject.build(), subject.inputs()
        for optimizer in OPTIMIZERS:
            truth = step_of(module, inputs, LOSS, optimizer)
            report = nncost.count(module, inputs, loss=LOSS, optimizer=optimizer, learn=True)
            there = _resident(module, inputs) + truth.state
            answers = {
                "nncost": report.memory.step_peak,
                "MemTracker": _mem_tracker(module, inputs, optimizer),
                "torchinfo": _torchinfo(module, inputs),
                "accelerate": _accelerate(module),
            }
            yield Row(subject.name, optimizer, there + truth.peak, answers)


def _tensors(inputs: Any) -> list[torch.Tensor]:
    return list(inputs.values() if isinstance(inputs, dict) else inputs)


def _resident(module: nn.Module, inputs: Any) -> int:
    """Parameters, buffers, inputs and targets, from the tensors themselves."""
    held = {t.untyped_storage()._cdata: t.nbytes for t in (*module.parameters(), *module.buffers())}
    return sum(held.values()) + sum(t.nbytes for t in (*_tensors(inputs), _targets(_logits(module, inputs))))


def _logits(module: nn.Module, inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        output = copy.deepcopy(module)(**inputs) if isinstance(inputs, dict) else copy.deepcopy(module)(*inputs)
    logits = output if isinstance(output, torch.Tensor) else output.logits
    return logits.reshape(-1, logits.shape[-1])


def _targets(logits: torch.Tensor) -> torch.Tensor:
    return torch.zeros(logits.shape[0], dtype=torch.int64)


# ------------------------------------------------------------------- other tools
def _mem_tracker(module: nn.Module, inputs: Any, optimizer: str) -> int:
    """PyTorch's own tracker over a real step, as its documentation uses it; a step before it makes the state."""
    from torch.distributed._tools.mem_tracker import MemTracker

    module = copy.deepcopy(module).train()
    chosen = OPTIMIZERS[optimizer](module.parameters())
    targets = _targets(_logits(module, inputs))

    def step() -> None:
        output = module(**inputs) if isinstance(inputs, dict) else module(*inputs)
        logits = output if isinstance(output, torch.Tensor) else output.logits
        loss = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets)
        loss.backward()
        chosen.step()
        chosen.zero_grad(set_to_none=True)

    step()
    tracker = MemTracker()
    tracker.track_external(module, chosen, *_tensors(inputs), targets)
    with tracker:
        step()
    return int(tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"])


def _torchinfo(module: nn.Module, inputs: Any) -> int:
    """torchinfo's "Estimated Total Size"."""
    import torchinfo

    given = {"input_data": inputs} if isinstance(inputs, dict) else {"input_data": list(inputs)}
    found = torchinfo.summary(copy.deepcopy(module), verbose=0, mode="train", **given)
    return int(found.total_input + found.total_output_bytes + found.total_param_bytes)


def _accelerate(module: nn.Module) -> int:
    """``accelerate estimate-memory``, training in float32: four times the model."""
    import_torchvision()
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    size, _ = calculate_maximum_sizes(module)
    return int(estimate_training_usage(size, "float32")["step"])


# ------------------------------------------------------------------- table
def table(found: list[Row]) -> str:
    """The rows as Markdown, each answer with its ratio to the truth."""
    tools = list(found[0].answers)
    lines = [
        "| network | optimizer | allocator's peak | " + " | ".join(f"{tool}: bytes, ratio" for tool in tools) + " |",
        "|---|---|--:|" + "--:|" * len(tools),
    ]
    for row in found:
        cells = [f"{row.answers[tool]:,} {_ratio(row.answers[tool], row.truth)}" for tool in tools]
        lines.append(f"| {row.subject} | {row.optimizer} | {row.truth:,} | {' | '.join(cells)} |")
    exact = sum(row.answers["nncost"] == row.truth for row in found)
    lines += ["", f"nncost: {exact} of {len(found)} equal to the byte. {_conditions()}"]
    return "\n".join(lines)


def _ratio(answer: int, truth: int) -> str:
    if answer == truth:
        return "(equal)"
    return f"({answer - truth:+,})" if abs(answer / truth - 1) < CLOSE else f"({answer / truth:.3f})"


def _conditions() -> str:
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "torchinfo", "accelerate", "timm", "transformers")
    )
    capability = torch.backends.cpu.get_cpu_capability()
    return f"Conditions: {packages}; {platform.machine()} with {capability}, {THREADS} threads."


def main() -> None:
    """Print the table, or write it into the document."""
    text = table(list(rows()))
    if "--write" in sys.argv[1:]:
        content = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = content.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        DOCUMENT.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
