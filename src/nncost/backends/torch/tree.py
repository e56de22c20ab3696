"""The tree of modules: a layer's path is its module's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from nncost.backends.torch.layer import Layer

Rename = Callable[[str], str]
"""``rename(layer_path) -> module_path``: layers inside a repetition are numbered."""


class Tree:
    """Modules by path; layers that only hold others stand between them.

    ``layers`` says which layer of the graph a module's name belongs to: repetitions share one.
    """

    def __init__(self) -> None:
        self.root = Layer()
        self.layers: dict[str, str] = {}

    def layer(self, path: str, of: str) -> nn.Module:
        """The module at a path, made if there is none."""
        if path:
            self.layers[".".join(names_of(path))] = of
        return self._at(names_of(path))

    def _at(self, names: Sequence[str]) -> nn.Module:
        module: nn.Module = self.root
        for name in names:
            child = module._modules.get(name)
            if child is None:
                child = Layer()
                module.add_module(name, child)
            module = child
        return module

    def is_free(self, path: str) -> bool:
        """Whether nothing stands at a path yet."""
        module: nn.Module | None = self.root
        for name in names_of(path):
            module = module._modules.get(name) if module is not None else None
        return module is None

    def place(self, path: str, of: str, module: nn.Module) -> None:
        """Put a module at a free path."""
        *above, name = names_of(path)
        self._at(above).add_module(name, module)
        self.layers[".".join((*above, name))] = of


def names_of(path: str) -> list[str]:
    """The names of the modules on the way to a path; none of them empty, or one that modules have themselves."""
    names = [part or "_" for part in path.split(".")] if path else []
    return [f"{name}_" if hasattr(Layer, name) or name in _OWN else name for name in names]


_OWN = frozenset(vars(Layer()))


def free_name(module: nn.Module, wanted: str) -> str:
    """A name that a parameter of the module can have."""
    name = wanted.replace(".", "_").replace("/", "_") or "value"
    number = 1
    chosen = name
    while hasattr(module, chosen):
        number += 1
        chosen = f"{name}_{number}"
    return chosen
