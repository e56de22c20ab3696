"""Read the path of a Hugging Face configuration, or of a folder that holds a ``config.json``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from os.path import isdir, lexists
from typing import TYPE_CHECKING, Any, ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model

if TYPE_CHECKING:
    from nncost.ir.call_log import CallLog, Instrumentation

CONFIG = "config.json"


class SourceFrontEnd(FrontEnd):
    """Builds the network of a configuration with transformers, without weights, and counts it as a module."""

    kind: ClassVar[str] = "huggingface"
    title: ClassVar[str] = "a configuration"
    endings: ClassVar[tuple[str, ...]] = (".json",)
    traced: ClassVar[bool] = True
    packs_weights: ClassVar[bool] = True

    def matches(self, source: object) -> bool:
        """Return whether it is a JSON file or a folder with a configuration."""
        if super().matches(source):
            return True
        return isinstance(source, str) and isdir(source) and lexists(f"{source}/{CONFIG}")  # noqa: PTH112 - false for a spec too long to be a path

    def load(self, source: str, options: LoadOptions) -> Model:
        """Build the network and trace it."""
        from nncost.frontends.huggingface.load import load

        return load(source, options)

    def observe(self, source: str, options: LoadOptions, instrumentation: Instrumentation) -> CallLog:
        """Return what a tool sees of the network."""
        from nncost.frontends.huggingface.load import observe

        return observe(source, options, instrumentation)

    def runnable(
        self, source: str, options: LoadOptions, *, real: bool
    ) -> AbstractContextManager[tuple[Any, LoadOptions]]:
        """Build the network; ``real``: with memory and random weights."""
        from nncost.frontends.huggingface.load import runnable

        return runnable(source, options, real=real)
