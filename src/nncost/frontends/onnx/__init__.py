"""Read the path of an ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage


class SourceFrontEnd(FrontEnd):
    """Translates the operators of an ONNX file into a graph."""

    kind: ClassVar[str] = "onnx"
    title: ClassVar[str] = "an ONNX file"
    endings: ClassVar[tuple[str, ...]] = (".onnx",)

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the file."""
        from nncost.frontends.onnx.load import load

        return load(source, options)

    def coverage(self) -> Coverage:
        """Return how each operator of the installed package ``onnx``, and each known one of onnxruntime's, is treated."""
        from nncost.frontends.onnx.coverage import coverage

        return coverage()
