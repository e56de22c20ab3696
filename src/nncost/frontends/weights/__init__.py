"""Read the path of a checkpoint."""

from __future__ import annotations

from typing import ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model


class SourceFrontEnd(FrontEnd):
    """Counts the parameters that a checkpoint holds: no network, so no operations."""

    kind: ClassVar[str] = "weights"
    endings: ClassVar[tuple[str, ...]] = (
        ".safetensors.index.json", ".bin.index.json", ".safetensors", ".gguf", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".bin", ".ckpt",
    )  # fmt: skip

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the headers of the file."""
        from nncost.frontends.weights.load import load

        return load(source, options)
