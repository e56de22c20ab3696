"""The package transformers: imported where it is needed, kept from changing anything else, its errors in one sentence."""

from __future__ import annotations

import logging
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nncost.errors import MissingExtraError, NncostError, SourceError

PURPOSE = "reading a Hugging Face configuration"
OPTIONAL = "torchvision"
LOGGERS = ("transformers", "huggingface_hub", "timm")
SILENT = logging.CRITICAL + 1
LONGEST = 300
"""Characters of an error that are shown."""
HUB = "nncost downloads nothing: the configuration must hold everything, backbone_config included."


def transformers() -> Any:
    """Return the package. Raise MissingExtraError if it or torch is not installed, SourceError if it does not load."""
    for name in ("torch", "transformers"):
        if find_spec(name) is None:
            raise MissingExtraError(PURPOSE, name, "huggingface")
    try:
        with _without_broken_torchvision():
            return import_module("transformers")
    except ImportError as error:
        raise SourceError(f"the installed package transformers does not load: {error}.") from None


@contextmanager
def _without_broken_torchvision() -> Iterator[None]:
    """Let transformers see a torchvision that does not load as one that is not there.

    A torchvision built for another torch is common and stops transformers from importing any model,
    though none of them needs it to be built.
    """
    if sys.modules.get(OPTIONAL) is not None or find_spec(OPTIONAL) is None or _loads(OPTIONAL):
        yield
        return
    sys.modules[OPTIONAL] = None  # type: ignore[assignment]
    try:
        yield
        known = import_module("transformers.utils.import_utils")
        known.is_torchvision_available.cache_clear()
        known.is_torchvision_available()
    finally:
        del sys.modules[OPTIONAL]


def _loads(name: str) -> bool:
    try:
        import_module(name)
    except Exception:  # noqa: BLE001 - a broken package raises anything
        return False
    return True


# ------------------------------------------------------------------- what stays as it was
@contextmanager
def quiet() -> Iterator[None]:
    """Print nothing, download nothing and use up no random number meanwhile; put everything back afterwards."""
    with ExitStack() as stack:
        for name in LOGGERS:
            stack.enter_context(_silent(logging.getLogger(name)))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_same_random_numbers())
        from huggingface_hub import constants
        from transformers.integrations import moe

        stack.enter_context(_attribute(constants, "HF_HUB_OFFLINE", True))  # Every request raises an error.
        if hasattr(moe, "_can_use_grouped_mm"):
            # Experts multiply by transformers' own grouped product: PyTorch's knows shapes for bfloat16 only.
            stack.enter_context(_attribute(moe, "_can_use_grouped_mm", lambda *_: False))
        yield


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(SILENT)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value inside the context."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    import numpy as np
    import torch

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is what may be used
    torch_state: Any = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_rng_state(torch_state)


# ------------------------------------------------------------------- its errors
@contextmanager
def as_source_error(attempt: str, source: str) -> Iterator[None]:
    """Turn whatever goes wrong in the attempt to ``build`` or ``run`` the model into a SourceError."""
    try:
        yield
    except NncostError:
        raise
    except ConnectionError as error:
        raise SourceError(f"{source!r} takes a part from the Hugging Face hub: {_short(error)}", hint=HUB) from None
    except Exception as error:
        kind = type(error).__name__
        version = transformers().__version__
        raise SourceError(f"transformers {version} cannot {attempt} {source!r}: {kind}: {_short(error)}") from error


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines += [note.removeprefix("nncost: ") for note in getattr(error, "__notes__", ())]
    return "; ".join(lines[:2])[:LONGEST] or "no reason given"
