"""Which class of transformers a configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.huggingface.transformers import transformers

FAMILIES = (
    "AutoModel", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForPreTraining",
    "AutoModelForImageTextToText", "AutoModelForSpeechSeq2Seq", "AutoModelForImageClassification",
    "AutoModelForObjectDetection", "AutoModelForSemanticSegmentation", "AutoModelForAudioClassification",
    "AutoModelForDepthEstimation", "AutoModelForKeypointDetection", "AutoModelForMaskGeneration",
    "AutoModelForUniversalSegmentation", "AutoModelForTextToWaveform", "AutoModelForTextToSpectrogram", "AutoBackbone",
)  # fmt: skip
"""Asked in this order where the configuration names no class: the network without a head comes first."""


def configuration_class(values: Mapping[str, Any], path: str) -> Any:
    """Return the configuration's class. Raise SourceError for a family that transformers does not have."""
    library = transformers()
    family = values["model_type"]
    if family in library.CONFIG_MAPPING:
        return library.CONFIG_MAPPING[family]
    if values.get("auto_map"):
        raise SourceError(
            f"{path!r} is of the family {family[:60]!r}, whose code comes with the model (auto_map).",
            hint="nncost never runs such code; transformers itself has to know the family.",
        )
    close = get_close_matches(family, library.CONFIG_MAPPING.keys(), 1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    raise SourceError(
        f"{path!r} is of the family {family[:60]!r}, which transformers {library.__version__} does not have.",
        hint=f"{meant}A newer transformers may have it:  pip install --upgrade transformers",
    )


def model_class(config: Any, architectures: Any) -> tuple[Any, bool]:
    """Return the model's class, and whether the configuration names it. Raise SourceError if there is none."""
    library = transformers()
    named = architectures if isinstance(architectures, list) else []
    for name in named[:1]:
        found = getattr(library, name, None) if isinstance(name, str) and name.isidentifier() else None
        if isinstance(found, type) and _fits(found, config):
            return found, True
    for family in FAMILIES:
        mapping = getattr(library, family)._model_mapping
        if type(config) in mapping:
            found = mapping[type(config)]
            return (found[0] if isinstance(found, (tuple, list)) else found), False
    raise SourceError(f"transformers {library.__version__} has no model for the family {config.model_type!r}.")


def _fits(found: Any, config: Any) -> bool:
    """Whether it is a model of transformers for this kind of configuration."""
    expected = getattr(found, "config_class", None)
    return (
        issubclass(found, transformers().PreTrainedModel)
        and isinstance(expected, type)
        and isinstance(config, expected)
    )
