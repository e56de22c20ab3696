"""Which front end reads a source: the built-in ones first, then those that other packages bring."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from os.path import isdir, isfile
from typing import TYPE_CHECKING, Any

from nncost.errors import MissingExtraError, SourceError
from nncost.frontends.front_end import Covered, FrontEnd, Observable
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.spec_text import SpecText

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage
    from nncost.ir.call_log import CallLog, Instrumentation

BUILT_IN = ("onnx", "weights", "huggingface", "torch", "graph", "spec")
"""The rooms with a class ``SourceFrontEnd``, in the order they are asked; spec takes any text."""
ENTRY_POINTS = "nncost.front_ends"
"""The group of entry points under which another package names its front ends."""
_WIDTHS = re.compile(r"\w+(-(\w+(:\w+)?(\*\w+)?|\.\.\.))+")
"""Widths such as ``784-16:relu-10``, which nothing but a folder can be too: for these no other front end is imported."""
_NO_FILE = re.compile(r"\A\s*[a-z]{2,6}://", re.IGNORECASE)
"""The beginning of an address; three dots are those of a family of widths. Neither is the path of a file, whatever its end."""


def front_end_for(source: object) -> FrontEnd:
    """Return the front end that reads a source. Raise SourceError if there is none."""
    if isinstance(source, SpecText):
        return _built_in("spec")
    if isinstance(source, str) and _WIDTHS.fullmatch(source) and not isdir(source):  # noqa: PTH112 - never raises
        return _built_in("spec")
    if isinstance(source, str) and (_NO_FILE.search(source) or "..." in source) and not isfile(source):  # noqa: PTH113 - as above
        return _built_in("spec")
    for room in BUILT_IN:
        if (front_end := _built_in(room)).matches(source):
            return front_end
    for front_end in _installed():
        if _asked(front_end, source):
            return front_end
    if isinstance(source, str):
        from nncost.frontends.unread import unread

        raise unread(source, endings()) or SourceError(
            f"{source!r} is no source.", hint=f"Accepted: {', '.join(endings())}, or a spec such as 784-16-10."
        )
    if isinstance(source, type):
        raise SourceError(f"{source.__qualname__} is a class, not a network.", hint=f"Make one: {source.__name__}()")
    raise SourceError(
        f"cannot count a {type(source).__module__}.{type(source).__qualname__}.",
        hint='Accepted: a spec such as "784-16-10", the path of a file, a torch.nn.Module, a Graph.',
    )


def load(source: Any, options: LoadOptions) -> Model:
    """Read any source: a spec, the path of a file, a graph or a framework's own model."""
    return front_end_for(source).load(source, options)


def observe(source: Any, options: LoadOptions, instrumentation: Instrumentation) -> CallLog | None:
    """Return what a tool instrumented like that sees of a source while it runs; None if its kind cannot be observed."""
    front_end = front_end_for(source)
    return front_end.observe(source, options, instrumentation) if isinstance(front_end, Observable) else None


def covered() -> dict[str, Covered]:
    """Return the front ends, by kind, that can say how they treat each operator of their framework."""
    return {front_end.kind: front_end for front_end in _all() if isinstance(front_end, Covered)}


def coverage(kind: str) -> Coverage:
    """Return how a front end treats its framework's operators. Raise MissingExtraError without the framework."""
    try:
        return covered()[kind].coverage()
    except ImportError:
        raise MissingExtraError("listing the operators", kind, kind) from None


def endings() -> tuple[str, ...]:
    """Return the endings of all files that are read."""
    return tuple(ending for front_end in _all() for ending in front_end.endings)


def _all() -> Iterator[FrontEnd]:
    yield from map(_built_in, BUILT_IN)
    yield from _installed()


@cache
def _built_in(room: str) -> FrontEnd:
    front_end: FrontEnd = import_module(f"nncost.frontends.{room}").SourceFrontEnd()
    return front_end


@cache
def _installed() -> tuple[FrontEnd, ...]:
    """The front ends of other packages; one that does not load is left out with a warning that names it."""
    from importlib.metadata import entry_points

    found: list[FrontEnd] = []
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            found.append(entry_point.load()())
        except Exception as error:  # noqa: BLE001 - another package's code raises anything
            _warn(f"{entry_point.name} ({entry_point.value})", "does not load", error)
    return tuple(found)


def _asked(front_end: FrontEnd, source: object) -> bool:
    try:
        return front_end.matches(source)
    except Exception as error:  # noqa: BLE001 - another package's code raises anything
        _warn(type(front_end).__qualname__, "cannot say whether it reads this source", error)
        return False


def _warn(name: str, fault: str, error: Exception) -> None:
    warnings.warn(f"nncost: the front end {name} {fault}: {type(error).__name__}: {error}", stacklevel=4)
