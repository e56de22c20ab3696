"""Read the path of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import isdir, isfile
from typing import ClassVar

from nncost.frontends.front_end import FrontEnd
from nncost.frontends.model import LoadOptions, Model

NO_OPERATIONS = (
    "A checkpoint holds parameters, not operations, so only parameters and bytes are counted. "
    "Operations follow from the architecture:  nncost count config.json  or  nncost count model.onnx"
)

_MAX_PATH = 4096


class SourceFrontEnd(FrontEnd):
    """Counts the parameters that a checkpoint holds: no network, so no operations."""

    kind: ClassVar[str] = "weights"
    title: ClassVar[str] = "a checkpoint"
    endings: ClassVar[tuple[str, ...]] = (
        ".safetensors.index.json", ".bin.index.json", ".safetensors", ".gguf", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".bin", ".ckpt",
        ".npy", ".keras", ".msgpack", ".tflite", ".index",
    )  # fmt: skip

    def matches(self, source: object) -> bool:
        """Return whether it is the path of a checkpoint, of an index under any name, or a folder that holds one."""
        if super().matches(source):
            return True
        if not isinstance(source, str) or len(source) > _MAX_PATH:
            return False
        if source.lower().endswith(".json"):
            from nncost.frontends.weights.parts import INDEX

            return INDEX.search(source) is not None
        return isfile(f"{source}.index") or (isdir(source) and _holds_one(source))  # noqa: PTH112, PTH113 - they never raise

    def unused(self) -> Mapping[str, str]:
        """Return everything that is about operations."""
        return dict.fromkeys(
            ("batch", "symbols", "inputs", "loss", "optimizer", "backward", "mode", "examples", "epochs", "accumulate", "taps",
             "convention", "dtype", "bias", "activation", "allocator", "reuse", "learn"), NO_OPERATIONS,
        )  # fmt: skip

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the headers of the file."""
        from nncost.frontends.weights.load import load

        return load(source, options)


def _holds_one(folder: str) -> bool:
    from nncost.frontends.weights.model_folder import checkpoint_in

    return checkpoint_in(folder) is not None
