"""Load a checkpoint: parameters and bytes from its headers only. Its data is never read, and nothing in it is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from nncost.errors import SourceError
from nncost.frontends.model import LoadOptions, Model, Stored
from nncost.frontends.weights import NO_OPERATIONS
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.folders import is_below
from nncost.frontends.weights.model_folder import checkpoint_in, index_of
from nncost.frontends.weights.parts import INDEX, Read
from nncost.frontends.weights.quantized.recognize import recognized
from nncost.frontends.weights.quantized.settings import settings_beside
from nncost.frontends.weights.roles import may_be_packed, role_of
from nncost.frontends.weights.shards import read_part
from nncost.frontends.weights.training import without_optimizer
from nncost.ir.graph import Graph, Parameter, Tensor
from nncost.names import printable
from nncost.units import counted, noun

READERS: Mapping[str, str] = {
    ".safetensors.index.json": "shards", ".bin.index.json": "shards", ".safetensors": "safetensors_file", ".gguf": "gguf_file",
    ".npz": "npz", ".h5": "keras_h5", ".hdf5": "keras_h5", ".pt": "pytorch", ".pth": "pytorch", ".bin": "pytorch",
    ".ckpt": "pytorch", ".npy": "npy", ".keras": "keras_archive", ".msgpack": "flax", ".tflite": "tflite", ".index": "tensorflow",
}  # fmt: skip
"""The module that reads each ending."""
_IN_PARTS = frozenset({"safetensors_file", "pytorch"})
"""Readers of files that may be one of several."""


def load(source: str, options: LoadOptions) -> Model:
    """A graph of the parameters in the file at ``source``, without operations.

    Raise SourceError for a file that is damaged or not what its ending says, MissingExtraError without the package
    of its format.
    """
    contents = read(source)
    if not contents.entries:
        raise SourceError(f"there are no tensors in {source!r}.")
    parameters, stored = tuple(_parameters(contents)), tuple(map(_stored, contents.entries))
    return Model(
        kind="weights",
        name=source,
        graph=Graph((), parameters, (), ()),
        batch=1,
        inputs={},
        default_loss="none",
        default_optimizer="none",
        notes=(NO_OPERATIONS, *map(printable, contents.notes), *_packed_note(contents.entries)),
        stored=stored,
    )


def read(source: str) -> Contents:
    """The tensors of a file, by the reader of its ending."""
    path = _inside(source, checkpoint_in(source)) or index_of(source) or source
    reader = _reader(path)
    read_one: Read = import_module(f"nncost.frontends.weights.{reader}").read
    contents = read_part(path, read_one) if reader in _IN_PARTS else read_one(path)
    return recognized(without_optimizer(contents), settings_beside(path, contents.metadata))


def _inside(folder: str, path: str | None) -> str | None:
    """The path of a file in a folder. Raise SourceError if it is a link out of it."""
    if path is not None and not is_below(Path(path), Path(folder)):
        raise SourceError(f"{path!r} is a link out of its folder.", hint="Name the file itself.")
    return path


def _reader(path: str) -> str:
    if INDEX.search(path):
        return "shards"
    return next(READERS[ending] for ending in READERS if path.lower().endswith(ending))


def _parameters(contents: Contents) -> Iterator[Parameter]:
    for entry in contents.entries:
        role, name = role_of(entry), printable(entry.name)
        if role == "quantization" or role == "optimizer":
            continue
        tensor = Tensor(entry.shape, entry.dtype, name)
        yield Parameter(tensor, role, path_of(name), trainable=role != "buffer", stored_bytes=entry.bytes)


def _stored(entry: Entry) -> Stored:
    name = printable(entry.name)
    return Stored(
        name,
        path_of(name),
        role_of(entry),
        entry.dtype,
        entry.shape,
        entry.bytes,
        entry.packed,
        entry.stored_shape or entry.shape,
    )


def path_of(name: str) -> str:
    """The layer of a tensor: its name without the last part."""
    return name.rpartition(".")[0] or name


def _packed_note(entries: Sequence[Entry]) -> Iterator[str]:
    packed = [entry for entry in entries if may_be_packed(entry)]
    if packed:
        dtypes = ", ".join(sorted({entry.dtype for entry in packed}))
        yield (
            f"{counted(len(packed), 'weight tensor')} {noun(len(packed), 'is', 'are')} stored as {dtypes} and counted as stored: where a quantizer packed several "
            "weights into one integer, the network has more of them."
        )
