"""Entry points: ``path/net.py:build`` or ``package.module:build`` names what makes a module; only then is it run.

An entry point is a function or class that is called without arguments, or a module that stands there
already; it gives the module, or the module and its inputs. While it is loaded and counted, imports
find the file's own folder (the working folder for a dotted name), and what it prints goes to
standard error, because standard output holds the report. Afterwards the search path is as before.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from nncost.errors import Instead, MissingExtraError, NncostError, SourceError
from nncost.frontends.arguments import arguments_of
from nncost.frontends.files import read_bytes
from nncost.frontends.model import LoadOptions
from nncost.frontends.nearby import entry_points_of, gives_inputs, parsed
from nncost.records import replace
from nncost.user_code import last_lines

ACCEPTED = "An entry point is a function without arguments that returns a torch.nn.Module, or (module, inputs)."
_FILE_ENDING = ".py"
MAX_NAMES = 20
MAX_CODE_BYTES = 10**8


@contextmanager
def made(source: str, options: LoadOptions) -> Iterator[tuple[Any, LoadOptions]]:
    """Give the entry point's module, and the options with its inputs unless others are given.

    Meanwhile the module's own imports are found. Raise SourceError for an entry point that is not there or does
    not give a module.
    """
    _check_torch()
    from nncost.frontends.torch.step.state.random_states import random_state_kept

    place, colon, attribute = source.rpartition(":")
    if not colon:
        raise _no_attribute(source)
    folder = str(Path(place).resolve().parent) if place.endswith(_FILE_ENDING) else str(Path.cwd())
    with redirect_stdout(sys.stderr), _importable(folder):
        with random_state_kept():
            imported = _from_file(place, source) if place.endswith(_FILE_ENDING) else _from_name(place, source)
            module, inputs = _module_and_inputs(_called(_attribute(imported, attribute, place), source), source)
        given = options.given if options.given is not None else arguments_of(inputs)
        yield module, replace(options, given=given)


def _check_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("counting a PyTorch model", "torch", "torch") from None


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """The folder is the first place where imports look; afterwards the search path is the same list as before."""
    paths, before = sys.path, list(sys.path)
    paths.insert(0, folder)
    try:
        yield
    finally:
        sys.path = paths
        sys.path[:] = before


def _no_attribute(path: str) -> SourceError:
    """A file without the name of an entry point: the names in it, read without running it."""
    read_bytes(path, MAX_CODE_BYTES)
    tree = parsed(path)
    names = [] if tree is None else entry_points_of(tree)
    shape = "" if tree is not None and names and gives_inputs(tree, names[0]) else " --input 1x3x224x224"
    listed = (
        f"In it: {', '.join(names[:MAX_NAMES])}. "
        if names
        else f"Nothing in it can be called without arguments. {ACCEPTED} "
    )
    shown = f"nncost count {path}:{names[0] if names else 'build'}{shape}"
    return SourceError(
        f"{path!r} is Python code; say which function or class in it makes the module.",
        hint=f"{listed}For example:  {shown}",
    )


# ------------------------------------------------------------------- the file or package
def _from_file(path: str, source: str) -> ModuleType:
    """The module of a file, run anew each time. Raise SourceError if that fails."""
    read_bytes(path, MAX_CODE_BYTES)
    name = _free_name(Path(path).stem)
    spec = spec_from_file_location(name, path)
    assert spec is not None
    loader = spec.loader
    assert loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up while it is imported
    try:
        _guarded(lambda: loader.exec_module(module), source, path)
    finally:
        del sys.modules[name]
    return module


def _free_name(stem: str) -> str:
    """The file's own name, unless a module has it already."""
    name = stem if stem.isidentifier() else "source"
    while name in sys.modules:
        name += "_"
    return name


def _from_name(name: str, source: str) -> ModuleType:
    """An importable module. Raise SourceError if there is none or importing it fails."""
    try:
        imported = _guarded(lambda: import_module(name), source, name, let=ModuleNotFoundError)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise SourceError(
                f"there is no module {error.name!r} to import for {source!r}.",
                hint="Name it as package.module:build, importable from this folder, or as path/file.py:build.",
            ) from None
        raise _failure(error, "importing", name, source) from error
    assert isinstance(imported, ModuleType)
    return imported


# ------------------------------------------------------------------- the entry point
def _attribute(module: ModuleType, dotted: str, place: str) -> Any:
    """What stands under that name. Raise SourceError with the names that are there."""
    found: Any = module
    for name in dotted.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            names = _names_of(module)
            close = get_close_matches(name, names, 1)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            listed = ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")
            raise SourceError(
                f"there is no {dotted!r} in {place!r}.",
                hint=f"{meant}It defines: {listed}." if names else f"It defines no function or class. {ACCEPTED}",
                instead=Instead(f"{place}:{dotted}", f"{place}:{close[0]}") if close else None,
            ) from None
    return found


def _names_of(module: ModuleType) -> list[str]:
    """What a module defines itself that could be an entry point: functions, classes and networks."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (_is_network(value) or getattr(value, "__module__", None) == module.__name__)
    ]


def _called(found: Any, source: str) -> Any:
    """What the entry point gives; a module needs no call. Raise SourceError if the call fails."""
    if _is_network(found) or not callable(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise SourceError(f"{source!r} cannot be called without arguments: {error}.", hint=ACCEPTED) from None
    except ValueError:
        pass  # some functions written in C have no signature; calling them will tell
    return _guarded(found, source, source)


def _module_and_inputs(result: Any, source: str) -> tuple[Any, Any]:
    """A network with its inputs, if there are any. Raise SourceError for anything else."""
    module, inputs = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if _is_network(module):
        return module, inputs
    what = "(" + ", ".join(map(_kind, result)) + ")" if isinstance(result, tuple) else _kind(result)
    raise SourceError(f"{source!r} gives {what}, not a torch.nn.Module.", hint=ACCEPTED)


def _is_network(value: Any) -> bool:
    from torch import nn

    return isinstance(value, nn.Module)


def _kind(value: Any) -> str:
    return type(value).__qualname__


# ------------------------------------------------------------------- failures
def _guarded(run: Callable[[], Any], source: str, what: str, let: type[Exception] | tuple[()] = ()) -> Any:
    """What ``run`` returns; whatever it raises becomes one SourceError, but what nncost itself says stays."""
    try:
        return run()
    except (NncostError, KeyboardInterrupt):
        raise
    except let:
        raise
    except BaseException as error:  # a script may also end itself
        raise _failure(error, "calling" if what == source else "importing", what, source) from error


def _failure(error: BaseException, doing: str, what: str, source: str) -> SourceError:
    """One sentence with the place in the user's code and what was raised there, and the last lines of that code."""
    place = source.rpartition(":")[0]
    missing_parent = isinstance(error, ImportError) and "no known parent package" in str(error)
    hint = "It belongs to a package: name it as package.module:build." if missing_parent else last_lines(error)
    return SourceError(f"{doing} {what!r} raised {said(error)}{_line_of(error, place)}.", hint=hint)


def said(error: BaseException) -> str:
    """An exception's class and the first line of its message."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300].rstrip('.')}" if lines[0] else type(error).__name__


def _line_of(error: BaseException, place: str) -> str:
    """The last line of the user's own code on the way to the exception."""
    if isinstance(error, SyntaxError):
        return ""
    name = place if place.endswith(_FILE_ENDING) else place.replace(".", "/") + _FILE_ENDING
    lines = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith(name)]
    return f" (line {lines[-1].lineno})" if lines else ""
