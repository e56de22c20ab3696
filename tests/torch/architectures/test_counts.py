"""Each architecture counted in several ways that know nothing of each other."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest

if not all(map(find_spec, ("torch", "transformers", "timm", "torchvision"))):
    pytest.skip("transformers, timm and torchvision are not installed", allow_module_level=True)

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import nncost
from nncost.api import settings_of
from nncost.frontends.huggingface.quiet import quiet
from nncost.frontends.model import Inputs
from nncost.pipeline.report_on import report_on
from nncost.report import Report
from tests.torch.architectures.subjects import SUBJECTS, TRANSFORMERS, Subject, numbers, torch_seed

LOSSES = {"gpt2": "cross_entropy", "llama": "cross_entropy", "vit": "cross_entropy", "resnet50": "cross_entropy"}
"""The others get squared_error."""
MIXTURES = ("mixtral", "qwen3_moe", "gpt_oss", "deepseek_v3")
UNSEEN_BY_TORCH = dict.fromkeys(MIXTURES, "grouped products are not in FlopCounterMode's table")
WITH_NUMBERS = {"detr", "wav2vec2"}
"""In training, DETR looks whether a number is infinite, and wav2vec 2.0 draws which layers to leave out."""


def shapes_or_numbers(subject: Subject, inputs: Inputs) -> Inputs:
    return numbers(inputs, torch.float32) if subject.name in WITH_NUMBERS else inputs


def contractions(report: Report, phase: str) -> dict[str, int]:
    """Multiplications in contractions by layer."""
    found: dict[str, int] = {}
    for row in report.rows:
        if row.phase == phase and row.counts.get("macs"):
            found[row.path] = found.get(row.path, 0) + int(row.counts["macs"])
    return found


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_traced_and_derived(subject: Subject) -> None:
    """PyTorch's backward pass and the one that nncost derives have the same contractions in every layer."""
    module, inputs = subject.build()
    inputs = shapes_or_numbers(subject, inputs)
    loss = LOSSES.get(subject.name, "squared_error")
    with quiet():
        traced = nncost.count(module, inputs, loss=loss)
        derived = nncost.count(module, inputs, loss=loss, backward="derived")
    assert traced.complete
    assert derived.complete
    assert contractions(traced, "forward") == contractions(derived, "forward")
    assert contractions(traced, "backward") == contractions(derived, "backward")


def reported(module: nn.Module, inputs: Inputs, *, reuse: bool, **others: Any) -> dict[str, Any]:
    settings = settings_of(inputs=inputs, **others)
    return report_on(module, replace(settings, load=replace(settings.load, reuse=reuse))).to_dict()


def rows_of(report: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    return {(row["path"], row["op"], row["phase"]): row for row in report["rows"]}


INFERENCE: dict[str, str] = {}
STEP = {"loss": "squared_error", "optimizer": "adamw"}


@pytest.mark.parametrize(
    ("subject", "step"),
    [*((s, STEP) for s in SUBJECTS), *((s, INFERENCE) for s in TRANSFORMERS)],
    ids=lambda value: "forward" if value == INFERENCE else "step" if value == STEP else str(value),
)
def test_alike_blocks(subject: Subject, step: dict[str, str]) -> None:
    """Blocks that are analysed once give the report of all of them analysed, row by row."""
    module, inputs = subject.build()
    inputs = shapes_or_numbers(subject, inputs)
    with quiet():
        once, all_of_them = (reported(module, inputs, reuse=reuse, **step) for reuse in (True, False))
    assert once["totals"] == all_of_them["totals"]
    rows, expected = rows_of(once), rows_of(all_of_them)
    differing = {key: rows.get(key) for key in rows | expected if rows.get(key) != expected.get(key)}
    assert not differing
    assert {**once, "rows": []} == {**all_of_them, "rows": []}


def grouped(module: nn.Module) -> bool:
    return any(getattr(layer, "groups", 1) > 1 for layer in module.modules())


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.name not in UNSEEN_BY_TORCH and not s.large], ids=str)
def test_beside_flop_counter(subject: Subject) -> None:
    """On real tensors, with attention in steps: forward always, backward where no convolution has groups.

    FlopCounterMode counts the weight gradient of a grouped convolution ``groups`` times.
    """
    module, inputs = subject.build()
    module.train()
    given = numbers(inputs, torch.float32)
    with quiet():
        report = nncost.count(module, shapes_or_numbers(subject, inputs), loss="sum")
        with torch_seed(), torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            with FlopCounterMode(display=False) as forward:
                output = module(*given.args, **given.kwargs)
            with FlopCounterMode(display=False) as backward:
                tensors = [t for t in tree_leaves(output) if isinstance(t, torch.Tensor) and t.requires_grad]
                torch.autograd.backward(tensors, [torch.ones_like(t) for t in tensors])
    assert 2 * report.forward.macs == forward.get_total_flops()
    if not grouped(module):
        assert 2 * report.backward.macs == backward.get_total_flops()
