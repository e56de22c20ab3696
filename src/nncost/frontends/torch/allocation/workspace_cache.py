"""What was learned about operators' workspace: in memory, on disk, or by running them, within bounds of work."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nncost.cache import cache_folder, read_json, write_json
from nncost.frontends.torch.allocation.call_record import Called
from nncost.frontends.torch.allocation.known_results import key_of
from nncost.frontends.torch.allocation.workspace_probe import Lesson, lesson_of
from nncost.frontends.torch.allocation.workspace_rules import SCALAR_BYTES, made_small, may_run, takes_results_only
from nncost.frontends.torch.step.dispatch_table import operator_info

FOLDER, SCHEMA = "torch-memory", "nncost.torch-memory/1"
MOST_MACS, MOST_BYTES = 5_000_000_000, 1 << 28
"""The work of one operator that is run without being asked for: about a tenth of a second, 256 MiB."""
MOST_MACS_IN_ALL = 40_000_000_000
"""The work that one count may spend on learning without being asked for."""
MACS_PER_BYTE = 10
"""What reading or writing a byte is worth in that sum."""

_known: dict[Path, dict[str, Lesson | None]] = {}


def conditions() -> dict[str, Any]:
    """What else decides over an operator's workspace: a lesson holds where all of it is the same."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "mkldnn": torch._C._get_mkldnn_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@dataclass(slots=True)
class Lessons:
    """Answers for each distinct call what it takes. ``learn``: True always runs, False never, None within bounds.

    ``missing`` name the operators whose workspace stays unknown; ``otherwise`` tells, by call, how results lie
    in memory where that is not as their stand-ins do.
    """

    learn: bool | None = None
    missing: dict[str, None] = field(default_factory=dict)
    otherwise: dict[Any, Any] = field(default_factory=dict)
    _answers: dict[Called, Lesson | None] = field(default_factory=dict)
    _spent: int = 0
    _new: bool = False
    _path: Path | None = None
    _stored: dict[str, Lesson | None] = field(default_factory=dict)

    def of(self, called: Called) -> Lesson | None:
        """The allocations of a call; None where its results are all it takes, or all that is known."""
        if called not in self._answers:
            self._answers[called] = self._find(called)
        return self._answers[called]

    def keep(self) -> None:
        """Write what is new to the cache folder; a folder that cannot be written to is no failure."""
        if not self._new or self._path is None:
            return
        known = {name: lesson for name, lesson in sorted(self._stored.items()) if lesson is not None}
        content = {name: _written(lesson) for name, lesson in known.items()}
        try:
            write_json(self._path, {"schema": SCHEMA, "conditions": conditions(), "lessons": content})
        except OSError:
            return

    def _find(self, called: Called) -> Lesson | None:
        if called.symbolic:
            self.missing[called.operator._schema.name] = None
            return None
        if takes_results_only(called):
            return None
        small = made_small(called)
        if small is not None:
            lesson = self._run_or_read(small, cheap=True)
            fitted = None if lesson is None else _fitted(lesson, called)
            if fitted is not None:
                return fitted
        lesson = self._run_or_read(called, cheap=False)
        if lesson is None or len(lesson.results) != called.results:
            self.missing[called.operator._schema.name] = None
            if called.truth is not None:
                key = key_of(called.operator, operator_info(called.operator), called.args, called.kwargs)
                self.otherwise[key] = called.truth
            return None
        return lesson

    def _run_or_read(self, called: Called, *, cheap: bool) -> Lesson | None:
        self._open()
        name = _name(called)
        if name in self._stored:
            return self._stored[name]
        if not may_run(called) or self.learn is False or not (self.learn or cheap or self._is_affordable(called)):
            return None
        lesson = lesson_of(called)
        if called.truth is not None:
            return None  # what it took its results to be is not so
        self._stored[name] = lesson
        self._new = self._new or lesson is not None
        return lesson

    def _is_affordable(self, called: Called) -> bool:
        if called.macs > MOST_MACS or called.bytes > MOST_BYTES:
            return False
        work = called.macs + MACS_PER_BYTE * called.bytes
        if self._spent + work > MOST_MACS_IN_ALL:
            return False
        self._spent += work
        return True

    def _open(self) -> None:
        """The file of these conditions, read once for each process and folder."""
        if self._path is not None:
            return
        text = repr(sorted(conditions().items()))
        self._path = cache_folder() / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if self._path not in _known:
            _known[self._path] = _read(self._path)
        self._stored = _known[self._path]


def _name(called: Called) -> str:
    """A call as a short text: the operator and a digest of its arguments."""
    text = repr((called.args, called.kwargs, called.grads, called.outputs))
    return f"{called.operator} {hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _fitted(lesson: Lesson, called: Called) -> Lesson | None:
    """A small call's lesson with the sizes of the results of a large one; None where more depends on the size."""
    if len(lesson.results) != called.results:
        return None
    sizes = {lesson.results[place]: size for place, size in zip(called.places, called.sizes, strict=True)}
    steps: list[int] = []
    taken = 0
    for step in lesson.steps:
        if step >= 0:
            taken += 1
            if taken not in sizes and step > SCALAR_BYTES:
                return None
        steps.append(sizes.get(taken, step) if step >= 0 else step)
    return Lesson(tuple(steps), lesson.results)


def _written(lesson: Lesson) -> Any:
    return [list(lesson.steps), list(lesson.results)]


def _read(path: Path) -> dict[str, Lesson | None]:
    """The lessons of a file; those that are none are left out."""
    content = read_json(path)
    lessons = content.get("lessons") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
    found: dict[str, Lesson | None] = {}
    for name, value in lessons.items() if isinstance(lessons, dict) else ():
        if isinstance(value, list) and len(value) == 2 and all(_is_numbers(part) for part in value):
            found[name] = Lesson(tuple(value[0]), tuple(value[1]))
    return found


def _is_numbers(values: Any) -> bool:
    return isinstance(values, list) and _all_whole(values)


def _all_whole(values: Iterable[Any]) -> bool:
    return all(type(value) is int for value in values)
