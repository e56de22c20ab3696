"""Observe the network of a Hugging Face configuration as other tools see it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from nncost.frontends import registry
from nncost.frontends.huggingface.build import build_with_notes
from nncost.frontends.huggingface.quiet import undisturbed
from nncost.frontends.model import LoadOptions
from nncost.ir.observed import Look, Observed


def observe(source: str, options: LoadOptions, look: Look) -> Observed:
    """What is seen of the model of the configuration at ``source``. Raises an NncostError as loading it does."""
    module, inputs, _ = build_with_notes(source, options)
    with undisturbed():
        seen = registry.observe(module, replace(options, given=inputs, inputs={}, symbols={}), look)
    return cast("Observed", seen)
