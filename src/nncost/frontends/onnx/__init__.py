"""Read the path of an ONNX file."""

from __future__ import annotations

from typing import ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model


class SourceFrontEnd(FrontEnd):
    """Translates the operators of an ONNX file into a graph."""

    kind: ClassVar[str] = "onnx"
    title: ClassVar[str] = "an ONNX file"
    endings: ClassVar[tuple[str, ...]] = (".onnx",)

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the file."""
        from nncost.frontends.onnx.load import load

        return load(source, options)
