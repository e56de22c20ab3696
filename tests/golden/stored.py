"""Reports as they are kept: without what is not stable, long lists as digests, a line for each row and total."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.golden.cases.case import ROOT

FOLDER = Path(__file__).parent / "reports"
MOST, FIRST = 150, 5
"""Longer lists are kept as their length, a digest and their first elements."""
LONG = (("rows",), ("memory", "timeline"), ("storage", "tensors"))
Report = dict[str, Any]


def kept(report: Mapping[str, Any], folder: Path) -> Report:
    """What is kept of a report that was made in ``folder``: paths become names, the version goes."""
    text = json.dumps({key: value for key, value in report.items() if key != "nncost"})
    for path, name in ((folder.resolve(), "FOLDER"), (folder, "FOLDER"), (ROOT, "ROOT")):
        text = text.replace(json.dumps(str(path))[1:-1], name)
    result: Report = json.loads(text)
    result["free"] = dict(sorted(result["free"].items()))
    for *above, name in LONG:
        place = result
        for key in above:
            place = place.get(key, {})
        if name in place:
            place[name] = _shortened(place[name])
    return result


def _shortened(elements: list[Any]) -> Any:
    if len(elements) <= MOST:
        return elements
    digest = hashlib.sha256(json.dumps(elements, sort_keys=True).encode()).hexdigest()
    return {"count": len(elements), "sha256": digest, "first": elements[:FIRST]}


def load(group: str) -> dict[str, Report]:
    """The kept reports of a group by the names of their cases; none where there is no file."""
    path = FOLDER / f"{group}.json"
    content: dict[str, Report] = json.loads(path.read_text()) if path.exists() else {}
    return content


def save(group: str, reports: Mapping[str, Report]) -> None:
    """Write the kept reports of a group."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{group}.json").write_text(dumped(reports) + "\n")


def dumped(value: Any, depth: int = 0, path: tuple[str, ...] = ()) -> str:
    """JSON whose lines are the entries of reports, of ``totals``, ``memory``, ``run`` and ``storage``, and of their lists."""
    if not value or not _is_opened(value, path):
        return json.dumps(value, ensure_ascii=False)
    indent = " " * (depth + 1)
    if isinstance(value, dict):
        ends = "{}"
        lines = [f"{json.dumps(k, ensure_ascii=False)}: {dumped(v, depth + 1, (*path, k))}" for k, v in value.items()]
    else:
        ends = "[]"
        lines = [dumped(element, depth + 1, (*path, "*")) for element in value]
    return f"{ends[0]}\n{indent}" + f",\n{indent}".join(lines) + f"\n{' ' * depth}{ends[1]}"


def _is_opened(value: Any, path: tuple[str, ...]) -> bool:
    """Whether a value takes more than one line."""
    match path:
        case () | (_,):
            return True
        case (_, "totals" | "memory" | "run" | "storage" | "rows" | "unknown" | "notes" | "estimated"):
            return True
        case (
            (_, "run", "totals")
            | (_, "storage", "dtypes" | "tensors")
            | (_, "memory", "timeline" | "candidates" | "notes")
        ):
            return True
        case (_, *_, "first"):
            return isinstance(value, list)
    return False


def differences(expected: Any, received: Any, path: str = "") -> Iterator[str]:
    """A line for each place at which two reports differ."""
    if isinstance(expected, dict) and isinstance(received, dict):
        for key in [*expected, *(key for key in received if key not in expected)]:
            yield from _differing(
                f"{path}.{key}".lstrip("."), expected, received, key, key in expected, key in received
            )
    elif isinstance(expected, list) and isinstance(received, list):
        for place in range(max(len(expected), len(received))):
            name = f"{path}[{_label(expected, received, place)}]"
            yield from _differing(name, expected, received, place, place < len(expected), place < len(received))
    elif expected != received or type(expected) is not type(received):
        yield f"{path}: expected {_said(expected)}, received {_said(received)}"


def _differing(name: str, expected: Any, received: Any, key: Any, was: bool, is_: bool) -> Iterator[str]:
    if was and is_:
        yield from differences(expected[key], received[key], name)
    elif was:
        yield f"{name}: expected {_said(expected[key])}, received nothing"
    else:
        yield f"{name}: expected nothing, received {_said(received[key])}"


def _label(expected: list[Any], received: list[Any], place: int) -> str:
    """The place of an element and, of a row, its layer, operation and phase."""
    element = (expected if place < len(expected) else received)[place]
    said = [element[key] for key in ("path", "op", "phase") if key in element] if isinstance(element, dict) else []
    return " ".join([str(place), *said])


def _said(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"
