"""The package transformers: imported where it is needed, even beside a torchvision that does not load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nncost.errors import MissingExtraError, SourceError

PURPOSE = "reading a Hugging Face configuration"
OPTIONAL = "torchvision"


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
