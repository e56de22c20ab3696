"""Explanations for tests, and what can be read off their data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nncost.dims import symbol
from nncost.documents.document import Document, Heading, Work
from nncost.explaining import explain_source
from nncost.frontends.model import LoadOptions
from nncost.pipeline.settings import Settings

GPT = (
    "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], "
    "residual[layernorm, dense 3072, gelu, dense 768]]*L, layernorm, dense 50257 bias=no"
)
CNN = "3x32x32, conv 16 3 pad=1, batchnorm, relu, maxpool 2, conv 32 3 pad=1, relu, global_avgpool, dense 10, softmax"


def settings_of(*, batch: int | str | None = None, **settings: Any) -> Settings:
    size = symbol(batch) if isinstance(batch, str) else batch
    return Settings(load=LoadOptions(batch=size), **settings)


def explained(spec: str, topic: str | None = None, **settings: Any) -> Document:
    return explain_source(spec, topic, settings_of(**settings))


def sums(explanation: Document) -> Iterator[tuple[str, Work]]:
    """Each quantity's path with its worked lines."""
    for section in explanation.sections:
        heading = ""
        for block in section.blocks:
            if isinstance(block, Heading):
                heading = block.text
            elif isinstance(block, Work) and heading.endswith(")") and "." in heading:
                yield heading[heading.rindex("(") + 1 : -1], block
                heading = ""


def result_of(work: Work) -> str:
    return (work.total or work.lines[-1]).result.text


def number(text: str) -> int:
    return int(text.replace(",", "").replace("−", "-"))
