"""At least one example of every lowered operation: its node, the shapes of its inputs, its constants.

Each module of this package lists those of a family as ``EXAMPLES``.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.onnx.examples.example import Example, weights

EXAMPLES: list[Example] = [
    example
    for module in sorted(iter_modules(__path__, f"{__name__}."), key=lambda each: each.name)
    for example in getattr(import_module(module.name), "EXAMPLES", ())
]

__all__ = ["EXAMPLES", "Example", "weights"]
