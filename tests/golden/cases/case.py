"""One report that must stay as it is: a source, its inputs and the settings of ``nncost.count``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nncost

ROOT = Path(__file__).parents[3]
"""The repository."""


@dataclass(frozen=True)
class Case:
    """``source`` is a text as ``nncost.count`` takes it, or a function that makes the source in the working folder.

    ``inputs`` may be a function, too. Both are called when the case is counted, so that nothing heavy happens before.
    """

    name: str
    source: str | Callable[[], Any]
    inputs: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def report(self, folder: Path) -> dict[str, Any]:
        """The report as JSON holds it; files are made in ``folder`` and named by paths within it."""
        with contextlib.chdir(folder):
            source = self.source if isinstance(self.source, str) else self.source()
            inputs = self.inputs() if callable(self.inputs) else self.inputs
            return nncost.count(source, inputs, **self.settings).to_dict()


def spec(text: str, **settings: Any) -> Case:
    """A case of a spec, named by what it says."""
    name = " ".join([text, *(f"{key}={value}" for key, value in settings.items())])
    return Case(name, text, settings=settings)
