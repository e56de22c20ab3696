"""Layers that differ only in the numbers in their paths, named together: ``model.layers.0-31.mlp``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product

Pattern = tuple[str | None, ...]
"""The names in a path, with None for each number."""
Box = tuple[tuple[int, ...], ...]
"""The numbers at each place of a pattern: all their combinations are meant."""
_NUMBER = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_FEWEST_STEPS = 5
"""So many numbers a step apart are shown by the first two and the last."""


def ranged(paths: Iterable[str]) -> str:
    """Return the names of layers together: ``layers.0-31.mlp``, ``blocks.0-3.layers.0, 2``, ``layers.0, 2, …, 30``.

    Numbers that follow one another are a range. Every combination of the numbers at several places is meant; layers that
    cannot be told so, and others, are named one after the other.
    """
    return ", ".join(name for name, _ in together(paths))


def together(paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield names of groups of layers with their paths, in the order of the first layer of each pattern."""
    patterns: dict[Pattern, list[tuple[int, ...]]] = {}
    for path in dict.fromkeys(paths):
        pattern, numbers = _parsed(path)
        patterns.setdefault(pattern, []).append(numbers)
    for pattern, found in patterns.items():
        for box in _boxes(sorted(found)):
            yield _filled(pattern, [_span(numbers) for numbers in box]), _members(pattern, box)


def pattern_of(path: str) -> Pattern:
    """Return what layers have in common that may be named together."""
    return _parsed(path)[0]


def _parsed(path: str) -> tuple[Pattern, tuple[int, ...]]:
    parts = path.split(".")
    numeric = [bool(_NUMBER.fullmatch(part)) for part in parts]
    pattern = tuple(None if is_number else part for part, is_number in zip(parts, numeric, strict=True))
    return pattern, tuple(int(part) for part, is_number in zip(parts, numeric, strict=True) if is_number)


def _boxes(points: Sequence[tuple[int, ...]]) -> Iterator[Box]:
    """Yield boxes of numbers that together are exactly the points."""
    if not points[0]:
        yield ()
        return
    rests: dict[int, list[tuple[int, ...]]] = {}
    for first, *rest in points:
        rests.setdefault(first, []).append(tuple(rest))
    firsts: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for first, found in rests.items():
        firsts.setdefault(tuple(found), []).append(first)
    for others, numbers in firsts.items():
        for box in _boxes(others):
            yield (tuple(numbers), *box)


def _span(numbers: Sequence[int]) -> str:
    """The numbers in words: ``0-31``, ``0, 2, 4``, ``0, 2, …, 30``."""
    steps = {after - before for before, after in pairwise(numbers)}
    if len(numbers) >= _FEWEST_STEPS and len(steps) == 1 and steps != {1}:
        return f"{numbers[0]}, {numbers[1]}, …, {numbers[-1]}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _filled(pattern: Pattern, texts: Sequence[str]) -> str:
    rest = iter(texts)
    return ".".join(next(rest) if part is None else part for part in pattern)


def _members(pattern: Pattern, box: Box) -> list[str]:
    return [_filled(pattern, [str(number) for number in numbers]) for numbers in product(*box)]
