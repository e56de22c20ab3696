"""The open registry of front ends: which one reads a source, found without importing any framework."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nncost.errors import SourceError
from nncost.frontends.model import LoadOptions, Model

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage
    from nncost.ir.observed import Look, Observed

Load = Callable[[str, LoadOptions], Model]
LoadObject = Callable[[Any, LoadOptions], Model]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A kind of source, the file endings it reads, the modules whose ``load`` reads, whose ``observe`` watches and whose ``made`` makes it to be run."""

    kind: str
    endings: tuple[str, ...]
    module: str
    observing: str = ""
    making: str = ""

    def load(self, source: str, options: LoadOptions) -> Model:
        """Read the source. Raises an NncostError for anything that cannot be read."""
        return cast("Load", import_module(self.module).load)(source, options)


@dataclass(frozen=True, slots=True)
class ObjectFrontEnd:
    """A framework whose models are counted as objects: known by a base class, without importing it."""

    kind: str
    base: str
    module: str
    observing: str = ""

    def reads(self, source: Any) -> bool:
        """Whether the base class is among those of the object."""
        return any(f"{cls.__module__}.{cls.__qualname__}" == self.base for cls in type(source).__mro__)

    def load(self, source: Any, options: LoadOptions) -> Model:
        """Read the object. Raises an NncostError for anything that does not fit."""
        return cast("LoadObject", import_module(self.module).load_module)(source, options)


SPEC_TEXT = FrontEnd("spec", (), "nncost.frontends.spec.text")
CHECKPOINTS = (
    ".safetensors.index.json", ".bin.index.json", ".safetensors", ".gguf", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".bin", ".ckpt",
)  # fmt: skip
FOLDER = FrontEnd(
    "huggingface",
    (".json",),
    "nncost.frontends.huggingface.load",
    "nncost.frontends.huggingface.observing",
    "nncost.frontends.huggingface.load",
)
"""Also reads a folder, by the ``config.json`` in it."""
FACTORY = FrontEnd(
    "torch",
    (".py",),
    "nncost.frontends.torch.entry_point",
    "nncost.frontends.torch.entry_point",
    "nncost.frontends.torch.entry_point",
)
"""Reads what makes a module, named as ``path/net.py:build`` or ``package.module:build``."""
FRONT_ENDS: list[FrontEnd] = [
    FrontEnd("spec", (".nncost",), "nncost.frontends.spec.file"),
    FrontEnd("onnx", (".onnx",), "nncost.frontends.onnx.load"),
    FrontEnd("weights", CHECKPOINTS, "nncost.frontends.weights.load"),
    FOLDER,
]
OBJECT_FRONT_ENDS = [
    ObjectFrontEnd(
        "torch",
        "torch.nn.modules.module.Module",
        "nncost.frontends.torch.load",
        "nncost.frontends.torch.observation.observe",
    )
]
_NAMES_FACTORY = re.compile(r".+\.py(:[^\s,]*)?|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.DOTALL)
MAX_CODE_BYTES = 10**8
_LOOKS_LIKE_FILE = re.compile(r"(^|[/\\])[^/\\,\s]+\.[A-Za-z][A-Za-z0-9]*$")


def front_end_for(source: str) -> FrontEnd:
    """The front end of a path by its ending, or the spec language for any other text."""
    for front_end in FRONT_ENDS:
        if source.lower().endswith(front_end.endings):
            return front_end
    if _is_folder(source):
        return FOLDER
    if _NAMES_FACTORY.fullmatch(source):
        return FACTORY
    if _LOOKS_LIKE_FILE.search(source):
        known = ", ".join(ending for front_end in FRONT_ENDS for ending in front_end.endings)
        raise SourceError(
            f"{source!r} looks like a file of an unknown kind.", hint=f"Accepted: {known}, or a spec such as 784-16-10."
        )
    return SPEC_TEXT


def _is_folder(source: str) -> bool:
    """Whether a text names a folder; dots alone do where it holds a configuration."""
    if not isdir(source):  # noqa: PTH112 - a spec too long to be a path is none
        return False
    return bool(source.strip("./\\")) or (Path(source) / "config.json").exists()


def load(source: Any, options: LoadOptions) -> Model:
    """Read any source: a spec, the path of a file, or a framework's own model."""
    if isinstance(source, str):
        return front_end_for(source).load(source, options)
    return load_object(source, options)


def observe(source: Any, options: LoadOptions, look: Look) -> Observed | None:
    """What a tool with that look sees of a source while it runs; None where nothing can be observed."""
    if isinstance(source, str):
        observing = front_end_for(source).observing
    else:
        observing = next((front_end.observing for front_end in OBJECT_FRONT_ENDS if front_end.reads(source)), "")
    return cast("Observed", import_module(observing).observe(source, options, look)) if observing else None


@contextmanager
def made(source: Any, options: LoadOptions, *, real: bool) -> Iterator[tuple[Any, LoadOptions] | None]:
    """A framework's own model to be run, with the options that hold its inputs; None for a source that is none.

    Without ``real`` it may come without memory.
    """
    if not isinstance(source, str):
        reads = any(front_end.reads(source) for front_end in OBJECT_FRONT_ENDS)
        yield (source, options) if reads else None
        return
    making = front_end_for(source).making
    if not making:
        yield None
        return
    with import_module(making).made(source, options, real=real) as found:
        yield found


def load_object(source: Any, options: LoadOptions) -> Model:
    """Read a framework's own model. Raises SourceError for an object no front end reads."""
    for front_end in OBJECT_FRONT_ENDS:
        if front_end.reads(source):
            return front_end.load(source, options)
    raise SourceError(
        f"cannot count a {type(source).__module__}.{type(source).__qualname__}.",
        hint='Accepted: a spec such as "784-16-10", the path of a file, a torch.nn.Module, a Graph.',
    )


def read_bytes(path: str, limit: int) -> bytes:
    """A file's content. Raises SourceError where it is missing, not a file, unreadable or larger than ``limit``."""
    try:
        size = Path(path).stat().st_size
        if not Path(path).is_file():
            raise SourceError(f"{path!r} is not a regular file.")
        if size > limit:
            raise SourceError(f"{path!r} has {size:,} bytes, more than the {limit:,} this format allows.")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise SourceError(f"there is no file {path!r}.", hint="Check the path; a spec looks like 784-16-10.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {path!r}: {reason}.") from None


COVERED = {"torch": "nncost.frontends.torch.coverage"}
"""Front ends that can say how they treat each operator of their framework."""


def coverage(kind: str) -> Coverage:
    """How a front end treats the operators of the installed framework. Raises SourceError where it is not installed."""
    try:
        return cast("Coverage", import_module(COVERED[kind]).coverage())
    except ImportError as error:
        raise SourceError(f"{kind} is not installed ({error}).", hint=f"pip install 'nncost[{kind}]'") from error
