"""Operators' workspaces: from memory, from disk, or by running them, within bounds of work."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nncost.cache import cache_folder, read_json, write_json
from nncost.frontends.torch.allocation.memory_call import MemoryCall
from nncost.frontends.torch.allocation.workspace_probe import Workspace, probe_workspace
from nncost.frontends.torch.allocation.workspace_rules import (
    SCALAR_BYTES,
    has_buffers,
    made_small,
    may_run,
    takes_results_only,
)
from nncost.frontends.torch.step.fake_tensors import Outputs

FOLDER, SCHEMA = "torch-memory", "nncost.torch-memory/2"
MOST_MACS, MOST_BYTES = 5_000_000_000, 1 << 28
"""The work of one operator that runs without being asked for: about a tenth of a second, 256 MiB."""
MOST_MACS_IN_ALL = 40_000_000_000
"""The work that one count may spend on probes without being asked for."""
MACS_PER_BYTE = 10
"""What reading or writing a byte is worth in that sum."""

_known: dict[Path, dict[str, Workspace | None]] = {}


def conditions() -> dict[str, Any]:
    """What else decides over an operator's workspace: a workspace holds where all of it is the same."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "mkldnn": torch._C._get_mkldnn_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@dataclass(slots=True)
class WorkspaceCache:
    """The workspace of each distinct call. ``learn``: True always runs a new one, False never, None within bounds.

    ``missing`` name the operators whose workspace stays unknown.
    """

    learn: bool | None = None
    missing: dict[str, None] = field(default_factory=dict)
    _answers: dict[MemoryCall, Workspace | None] = field(default_factory=dict)
    _spent: int = 0
    _new: bool = False
    _path: Path | None = None
    _stored: dict[str, Workspace | None] = field(default_factory=dict)

    def of(self, call: MemoryCall) -> Workspace | None:
        """The allocations of a call; None if its results are all it takes, or all that is known."""
        if call not in self._answers:
            self._answers[call] = self._find(call)
            if call.actual is not None:
                self._is_missing(call)
        return self._answers[call]

    def actual_outputs(self, call: MemoryCall) -> Outputs | None:
        """Find a call's workspace now; its outputs as the run laid them out, if not as expected."""
        found = self._find(call)
        if call.actual is None:
            self._answers[call] = found
        return call.actual

    def keep(self) -> None:
        """Write what is new to the cache folder; a folder that cannot be written to is no failure."""
        if not self._new or self._path is None:
            return
        known = {name: workspace for name, workspace in sorted(self._stored.items()) if workspace is not None}
        content = {name: [list(found.allocations), list(found.results)] for name, found in known.items()}
        try:
            write_json(self._path, {"schema": SCHEMA, "conditions": conditions(), "workspaces": content})
        except OSError:
            return

    def _find(self, call: MemoryCall) -> Workspace | None:
        if call.symbolic:
            self._is_missing(call)
            return None
        if takes_results_only(call):
            return None
        small = made_small(call)
        if small is not None:
            workspace = self._run_or_read(small, cheap=True)
            fitted = None if workspace is None else _fitted(workspace, small, call)
            if fitted is not None:
                return fitted
        workspace = self._run_or_read(call, cheap=False)
        if workspace is not None and len(workspace.results) == call.results:
            return workspace
        if call.actual is None:
            self._is_missing(call)
        return None

    def _is_missing(self, call: MemoryCall) -> None:
        self.missing[call.operator._schema.name] = None

    def _run_or_read(self, call: MemoryCall, *, cheap: bool) -> Workspace | None:
        self._open()
        if not may_run(call):
            return None
        name = _name(call)
        if name in self._stored:
            return self._stored[name]
        if self.learn is False or not (self.learn or cheap or self._is_affordable(call)):
            return None
        workspace = probe_workspace(call)
        if call.actual is not None:
            return None  # its outputs are not what it was asked for
        self._stored[name] = workspace
        self._new = self._new or workspace is not None
        return workspace

    def _is_affordable(self, call: MemoryCall) -> bool:
        if call.macs > MOST_MACS or call.bytes > MOST_BYTES:
            return False
        work = call.macs + MACS_PER_BYTE * call.bytes
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


def _name(call: MemoryCall) -> str:
    """A call as a short text: the operator and a digest of its arguments."""
    text = repr((call.args, call.kwargs, call.grads, call.outputs))
    return f"{call.operator} {hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _is_taken(step: int) -> bool:
    return step >= 0


def _fitted(workspace: Workspace, small: MemoryCall, call: MemoryCall) -> Workspace | None:
    """A small call's workspace with the sizes of the results of a large one; None where more depends on the size."""
    if len(workspace.results) != call.results:
        return None
    sizes = {workspace.results[position]: size for position, size in zip(call.positions, call.sizes, strict=True)}
    allocations: list[int] = []
    taken = 0
    made = [step for place, step in enumerate(filter(_is_taken, workspace.allocations), 1) if place not in sizes]
    buffers = has_buffers(small, made)
    for step in workspace.allocations:
        if step >= 0:
            taken += 1
            if taken not in sizes and step > SCALAR_BYTES and not buffers:
                return None
        allocations.append(sizes.get(taken, step) if step >= 0 else step)
    return Workspace(tuple(allocations), workspace.results)


def _read(path: Path) -> dict[str, Workspace | None]:
    """The workspaces of a file; those that are none are left out."""
    content = read_json(path)
    workspaces = content.get("workspaces") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
    found: dict[str, Workspace | None] = {}
    for name, value in workspaces.items() if isinstance(workspaces, dict) else ():
        if isinstance(value, list) and len(value) == 2 and all(_is_numbers(part) for part in value):
            found[name] = Workspace(tuple(value[0]), tuple(value[1]))
    return found


def _is_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)
