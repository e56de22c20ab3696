"""Files with models near a path: those of a folder, and the one whose name comes closest. Nothing in them is run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import scandir
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

MAX_SEEN, MAX_NAMED, MAX_DEPTH = 2_000, 8, 2
"""Entries of folders that are looked at, models that are named, folders inside folders."""
MAX_CODE_BYTES = 10**7
_LIKELY = ("build", "make", "create", "model", "net")
"""Words in the names of functions that make a module."""
_CONFIG = "config.json"
_PYTHON = ".py"


def models_in(folder: str, endings: Collection[str]) -> list[str]:
    """The models in a folder and the folders below it, as paths: what a command may name, the likeliest first."""
    found = [path for path in _files(folder) if path.lower().endswith(tuple(endings))]
    models = [path for path in found if not path.endswith((".json", _PYTHON))]
    configurations = [str(Path(path).parent) for path in found if Path(path).name == _CONFIG]
    programs = [f"{path}:{names[0]}" for path in found if path.endswith(_PYTHON) and (names := networks_in(path))]
    return [*models, *configurations, *programs][:MAX_NAMED]


def nearest_file(path: str, endings: Collection[str]) -> str | None:
    """The file or folder beside a path that is not there whose name comes closest; None if none does."""
    from difflib import get_close_matches

    given = Path(path)
    try:
        with scandir(given.parent) as entries:
            names = [e.name for _, e in zip(range(MAX_SEEN), entries, strict=False) if _is_model(e.name, e.is_dir(), endings)]  # fmt: skip
    except (OSError, ValueError):
        return None
    close = get_close_matches(given.name, names, 1, cutoff=0.7)
    close = close or [name for name in names if given.name.lower() in (name.lower(), Path(name).stem.lower())][:1]
    if not close:
        return None
    return str(given.parent / close[0]) if given.parent != Path() or path.startswith("./") else close[0]


def _is_model(name: str, is_folder: bool, endings: Collection[str]) -> bool:
    return not is_folder and name.lower().endswith(tuple(endings)) and not name.startswith(".")


def _files(folder: str) -> Iterator[str]:
    """The files of a folder, those of folders below it last."""
    seen, waiting = 0, [(Path(folder), 0)]
    while waiting:
        here, depth = waiting.pop(0)
        try:
            entries = sorted(scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MAX_SEEN:
                return
            if entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield str(here / entry.name)
            elif depth < MAX_DEPTH:
                waiting.append((here / entry.name, depth + 1))


# ------------------------------------------------------------------- what a Python file defines
def networks_in(path: str) -> list[str]:
    """What makes a module in a Python file that uses PyTorch; read, never run."""
    tree = parsed(path)
    if tree is None or not _uses_torch(tree):
        return []
    named = [name for name in entry_points_of(tree) if any(word in name.lower() for word in _LIKELY)]
    return named or [name for name in entry_points_of(tree) if name[0].isupper()]


def parsed(path: str) -> ast.Module | None:
    """The syntax tree of a Python file; None for one that cannot be read."""
    import ast

    try:
        if Path(path).stat().st_size > MAX_CODE_BYTES:
            return None
        return ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _uses_torch(tree: ast.Module) -> bool:
    import ast

    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] == "torch" for name in names):
            return True
    return False


def entry_points_of(tree: ast.Module) -> list[str]:
    """What may make a module, the likeliest first: functions without arguments, networks, classes of networks."""
    import ast

    functions = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not _needs_arguments(node.args)
    ]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_network(node)]
    ready = [node.name for node in classes if not _needs_arguments(_constructor(node), own=1)]
    modules = {node.name for node in classes}
    made = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _called(node.value) in modules
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    functions.sort(key=lambda name: not any(word in name.lower() for word in _LIKELY))
    return [name for name in [*functions, *made, *ready] if not name.startswith("_") and name != "main"]


def gives_inputs(tree: ast.Module, name: str) -> bool:
    """Whether a function returns a pair: a module and its inputs."""
    import ast

    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    returns = [node.value for function in functions for node in ast.walk(function) if isinstance(node, ast.Return)]
    return bool(returns) and all(isinstance(value, ast.Tuple) and len(value.elts) == 2 for value in returns)


def _needs_arguments(arguments: ast.arguments | None, own: int = 0) -> bool:
    if arguments is None:
        return False
    given = [*arguments.posonlyargs, *arguments.args]
    return len(given) - len(arguments.defaults) > own or any(default is None for default in arguments.kw_defaults)


def _is_network(node: ast.ClassDef) -> bool:
    import ast

    return any("Module" in ast.unparse(base) or "Sequential" in ast.unparse(base) for base in node.bases)


def _constructor(node: ast.ClassDef) -> ast.arguments | None:
    import ast

    return next(
        (each.args for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None
    )


def _called(node: ast.Call) -> str:
    import ast

    return node.func.id if isinstance(node.func, ast.Name) else ""
