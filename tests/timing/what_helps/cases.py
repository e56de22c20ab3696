"""Networks whose remedies are tried, and steps whose seconds are made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nncost.pipeline.keywords import settings_of
from nncost.pipeline.report_on import report_on
from nncost.timing.measure.step import StepSeconds
from nncost.timing.runnable import subject_of, trained_with
from nncost.timing.what_helps.trial import Case


class ByProducts(nn.Module):
    """Attention as many write it: a product, a softmax and a product."""

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__()
        self.heads, self.masked = 2, masked
        self.project, self.back = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        examples, length, width = x.shape
        q, k, v = (
            t.view(examples, length, self.heads, width // self.heads).transpose(1, 2)
            for t in self.project(x).chunk(3, -1)
        )
        scores = q @ k.transpose(-2, -1) / 2.0
        if self.masked:
            scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
        return self.back((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))


def images() -> nn.Module:
    """A network with a convolution."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 2))


@contextmanager
def case_of(source: Any, inputs: Any = None, **settings: Any) -> Iterator[Case]:
    """The step of a source, of which half a second is the update."""
    chosen = settings_of(inputs, **settings)
    report = report_on(source, chosen)
    with subject_of(source, chosen, **trained_with(report), real=True) as subject:
        yield Case(source, chosen, report, subject, StepSeconds(0.25, 0.25, 0.5))
