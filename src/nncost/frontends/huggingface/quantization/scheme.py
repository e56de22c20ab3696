"""How a quantization applies to a network: which matrices it packs, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.packing import Packing
from nncost.records import record

LINEAR, TURNED, EXPERTS = "Linear", "Conv1D", "Experts"
"""Kinds of matrices: of a linear layer, of one whose weight is turned (GPT-2), and those a group of experts holds in one tensor."""
_LONGEST = 200
_REPEATED_GROUP = re.compile(r"\)[*+{]")


class NotAppliedError(Exception):
    """Why a quantization is not applied, as an end of a sentence."""


@record
class Rule:
    """Matrices of some ``kinds`` are packed like that; ``only`` those whose layer matches one of the patterns, if any."""

    packing: Packing
    kinds: tuple[str, ...] = (LINEAR,)
    only: tuple[str, ...] = ()


@record
class Scheme:
    """The rules of a quantization, the first that fits counts, and the patterns of layers that it leaves.

    ``keeps_head``: the layers that transformers leaves by itself stay too: the head, tied ones and the last of all.
    ``in_blocks``: only layers inside numbered blocks are packed. ``is_regular``: kept names are whole or begin with ``re:``.
    """

    rules: tuple[Rule, ...]
    keep: tuple[str, ...] = ()
    keeps_head: bool = True
    in_blocks: bool = False
    is_regular: bool = False

    def packing_of(self, layer: str, kind: str) -> Packing | None:
        """How the matrices of a layer are packed; None if they are not."""
        if self.in_blocks and not re.search(r"\.\d+\.", layer):
            return None
        if (is_named if self.is_regular else is_kept)(layer, self.keep):
            return None
        for rule in self.rules:
            if kind in rule.kinds and (not rule.only or is_named(layer, rule.only)):
                return rule.packing
        return None


def is_kept(layer: str, patterns: Iterable[str]) -> bool:
    """Whether transformers leaves a layer as it is: ``should_convert_module`` of its quantizers."""
    boundary = r"(?:(?<=\.)|(?=\.|$))"
    return any(re.match(rf"(?:{key}){boundary}", layer) or layer.endswith(key) for key in patterns)


def is_named(layer: str, patterns: Iterable[str]) -> bool:
    """Whether a layer is meant by its name, or by an expression behind ``re:``."""
    return any(re.match(key[3:], layer) if key.startswith("re:") else layer == key for key in patterns)


def ending(name: str) -> str:
    """The expression for layers whose name ends with that of a part, as ``self_attn.q_proj``."""
    return rf"re:(?:.*\.)?{re.escape(name)}$"


# ------------------------------------------------------------------- reading
def patterns(values: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """The names or expressions under the first of the keys that is there. Raise SourceError for what cannot be one."""
    found = next((values[name] for name in names if values.get(name) is not None), ())
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, str) for item in found):
        raise SourceError(f"quantization_config: {names[0]} must be a list of names, received {str(found)[:60]}.")
    for item in found:
        _check_pattern(item)
    return tuple(found)


def _check_pattern(pattern: str) -> None:
    """Raise SourceError for an expression that is wrong, or could take for ever."""
    try:
        fine = len(pattern) <= _LONGEST and not _REPEATED_GROUP.search(pattern)
        re.compile(pattern.removeprefix("re:"))
    except (re.error, RecursionError):
        fine = False
    if not fine:
        raise SourceError(
            f"quantization_config: {pattern[:60]!r} is no expression for names that nncost reads.",
            hint='Names such as "lm_head", or expressions without repeated groups such as "model.layers.*.self_attn".',
        )


def number(values: Mapping[str, Any], name: str, default: int | None, accepted: Iterable[int] = ()) -> int:
    """A whole number. Raise SourceError for another value, and for one that is not accepted."""
    found = values.get(name, default)
    among = tuple(accepted)
    if isinstance(found, bool) or not isinstance(found, int) or (among and found not in among) or found < -1:
        wanted = f"one of {', '.join(map(str, among))}" if among else "a whole number"
        raise SourceError(f"quantization_config: {name} must be {wanted}, received {str(found)[:60]}.")
    return found


def group(values: Mapping[str, Any], name: str = "group_size", default: int | None = 128) -> int:
    """The inputs that share a scale; 0 for all of them, which files write as −1."""
    return max(number(values, name, default), 0)
