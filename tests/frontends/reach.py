"""Which functions of ``ir.library`` each front end calls, read from its source."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from nncost.ir import library
from nncost.ir.library.activations import _PARAMETRISED, ACTIVATIONS
from nncost.ir.library.elementwise import COMPOSED
from nncost.ir.library.recurrent import CELLS

FRONT_ENDS = Path(__file__).resolve().parents[2] / "src/nncost/frontends"
BY_NAME: dict[str, tuple[str, Collection[str], Collection[str]]] = {
    "activation": ("ACTIVATIONS", ACTIVATIONS, {*ACTIVATIONS, *_PARAMETRISED}),
    "composed": ("COMPOSED", COMPOSED, COMPOSED),
    "recurrent_layer": ("CELLS", CELLS, CELLS),
}
"""Functions that take the name of what they compute: the table that a front end may go through, and all names it may write."""
PACKAGE = library.__name__


def library_functions() -> set[tuple[str, str]]:
    """The public functions of the library as (module, name)."""
    modules = {name: import_module(f"{PACKAGE}.{name}") for _, name, _ in iter_modules(library.__path__)}
    return {
        (module, name)
        for module, content in modules.items()
        for name, found in vars(content).items()
        if inspect.isfunction(found) and found.__module__ == content.__name__ and not name.startswith("_")
    }


def reached() -> dict[str, set[str]]:
    """For each composite the front ends that call it; ``activation relu`` is one of the activation's names."""
    functions, found = library_functions(), defaultdict(set)
    for front_end in ("spec", "onnx", "torch"):
        for path in (FRONT_ENDS / front_end).rglob("*.py"):
            tree = ast.parse(path.read_text())
            called = functions.intersection(_used(tree))
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            for _, name in called:
                table, entries, known = BY_NAME.get(name, ("", (), ()))
                chosen = entries if table in names else words.intersection(known)
                for composite in [f"{name} {entry}" for entry in chosen] if table else [name]:
                    found[composite].add(front_end)
    return dict(found)


def _used(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a file uses of the library, imported by name or through its module."""
    modules, names = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            inner = (node.module or "").removeprefix(PACKAGE).lstrip(".")
            for alias in node.names:
                if inner:
                    names[alias.asname or alias.name] = (inner, alias.name)
                else:
                    modules[alias.asname or alias.name] = alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr
        elif isinstance(node, ast.Name) and node.id in names:
            yield names[node.id]
