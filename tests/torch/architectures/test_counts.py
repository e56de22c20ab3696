"""A step of each architecture counted in several ways that know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from nncost.frontends.huggingface.transformers import quiet
from nncost.frontends.model import Inputs
from nncost.pipeline.keywords import settings_of
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


def reported(module: nn.Module, inputs: Inputs, *, reuse: bool, **others: Any) -> Report:
    settings = settings_of(inputs=inputs, **others)
    with quiet():
        return report_on(module, replace(settings, load=replace(settings.load, reuse=reuse)))


@dataclass(frozen=True)
class Step:
    """An architecture's training step as it is counted, which each test looks at from another side."""

    subject: Subject
    module: nn.Module
    inputs: Inputs
    training: dict[str, str]
    report: Report


@pytest.fixture(scope="module", params=SUBJECTS, ids=str)
def step(request: pytest.FixtureRequest) -> Step:
    """The step of each architecture, analysed once for blocks that are alike."""
    subject: Subject = request.param
    module, inputs = subject.build()
    inputs = shapes_or_numbers(subject, inputs)
    training = {"loss": LOSSES.get(subject.name, "squared_error"), "optimizer": "adamw"}
    report = reported(module, inputs, reuse=True, **training)
    assert report.complete
    return Step(subject, module, inputs, training, report)


def contractions(report: Report, phase: str) -> dict[str, int]:
    """Multiplications in contractions by layer."""
    found: dict[str, int] = {}
    for row in report.rows:
        if row.phase == phase and row.counts.get("macs"):
            found[row.path] = found.get(row.path, 0) + int(row.counts["macs"])
    return found


def test_traced_and_derived(step: Step) -> None:
    """PyTorch's backward pass and the one that nncost derives have the same contractions in every layer."""
    with quiet():
        derived = nncost.count(step.module, step.inputs, loss=step.training["loss"], backward="derived")
    assert derived.complete
    for phase in ("forward", "backward"):
        traced, ours = (contractions(report, phase) for report in (step.report, derived))
        asked = ASKED_FOR.get(step.subject.name) if phase == "backward" else None
        if asked is not None:
            assert traced.pop(asked) > ours.pop(asked)
        assert traced == ours


ASKED_FOR = {"wav2vec2": "feature_extractor.conv_layers.0.conv"}
"""The layer whose input the model itself asks a gradient of: PyTorch computes it, though nothing is trained by it."""


def assert_alike(once: Report, all_of_them: Report) -> None:
    """Two reports are equal, row by row."""
    first, second = once.to_dict(), all_of_them.to_dict()
    assert first["totals"] == second["totals"]
    rows, expected = rows_of(first), rows_of(second)
    differing = {key: rows.get(key) for key in rows | expected if rows.get(key) != expected.get(key)}
    assert not differing
    assert {**first, "rows": []} == {**second, "rows": []}


def rows_of(report: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    return {(row["path"], row["op"], row["phase"]): row for row in report["rows"]}


def test_alike_blocks(step: Step) -> None:
    """Blocks that are analysed once give the report of all of them analysed."""
    whole = reported(step.module, step.inputs, reuse=False, **step.training)
    assert_alike(step.report, whole)


@pytest.mark.parametrize("subject", TRANSFORMERS, ids=str)
def test_alike_blocks_in_inference(subject: Subject) -> None:
    module, inputs = subject.build()
    inputs = shapes_or_numbers(subject, inputs)
    assert_alike(*(reported(module, inputs, reuse=reuse) for reuse in (True, False)))


def grouped(module: nn.Module) -> bool:
    return any(getattr(layer, "groups", 1) > 1 for layer in module.modules())


def test_beside_flop_counter(step: Step) -> None:
    """On real tensors, with attention in steps: forward always, backward where no convolution has groups.

    FlopCounterMode counts the weight gradient of a grouped convolution ``groups`` times.
    """
    subject, report = step.subject, step.report
    if subject.large:
        pytest.skip("large models are not run")
    if subject.name in UNSEEN_BY_TORCH:
        pytest.skip(UNSEEN_BY_TORCH[subject.name])
    module, inputs = subject.build()
    module.train()
    given = numbers(inputs, torch.float32)
    with quiet(), torch_seed(), torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as forward:
            output = module(*given.args, **given.kwargs)
        with FlopCounterMode(display=False) as backward:
            tensors = [t for t in tree_leaves(output) if isinstance(t, torch.Tensor) and t.requires_grad]
            torch.autograd.backward(tensors, [torch.ones_like(t) for t in tensors])
    if len(tensors) > 1:  # the step's loss is taken of one output, their sum of all
        report = reported(module, shapes_or_numbers(subject, inputs), reuse=True, loss="sum")
    assert 2 * report.forward.macs == forward.get_total_flops()
    if not grouped(module):
        assert 2 * report.backward.macs == backward.get_total_flops()
