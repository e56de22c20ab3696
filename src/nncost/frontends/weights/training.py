"""What a training keeps in one file: the model, the optimizer's state, averages of the model, and things without tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nncost.frontends.weights.contents import Contents, Entry
from nncost.records import record, replace
from nncost.units import counted

_MODEL = (
    "state_dict", "model_state_dict", "model", "model_state", "module", "params", "net", "network", "weights", "model_weights",
    "net_state_dict", "net_state", "network_state_dict", "state", "params_ema",
)  # fmt: skip
"""Keys under which training scripts keep the parameters."""
_OPTIMIZER = re.compile(r"optim|(?:^|_)opts?(?:_[a-z0-9]|_?states?)?$|^opt_?\d$", re.IGNORECASE)
_AVERAGE = re.compile(r"(?:^|_)(?:ema|swa|averaged?|shadow)(?:_|$|\d)", re.IGNORECASE)
_FLAT_OPTIMIZER = frozenset(
    {"optimizer", "optimizers", "optimizer_state", "opt_state", "optimizer_weights", "optimizer_state_dict"}
)
"""First names of a whole path that are an optimizer's: ``opt_model.decoder`` is not among them."""
_STATES = frozenset({
    "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "momentum_buffer", "square_avg", "grad_avg", "acc_delta", "step",
    "exp_avg_sq_row", "exp_avg_sq_col", "prev", "step_size", "mu_product", "eta", "mu", "ax", "state1", "state2",
})  # fmt: skip
_AVERAGES_OF_GRADIENTS = frozenset({"exp_avg", "momentum_buffer", "square_avg", "exp_inf", "state1", "exp_avg_sq_row"})
_MAX_LEVELS = 4
STATE_ONLY = "This is an optimizer's state, not a model: it has no parameters. Count the file of the model beside it."

HasTensors = Callable[[Any], bool]


@record
class Chosen:
    """The part of a file that is the model, the names of what was left out, and whether there is nothing but an optimizer."""

    value: Any
    key: str = ""
    left_out: tuple[tuple[str, Any], ...] = ()
    state_only: bool = False


def chosen(value: Any, has_tensors: HasTensors) -> Chosen:
    """Return the model among the parts of a training's file."""
    key = ""
    left_out: list[tuple[str, Any]] = []
    for _ in range(_MAX_LEVELS):
        if is_optimizer(value):
            return Chosen(value, key, tuple(left_out), state_only=True)
        if not isinstance(value, dict):
            break
        parts = {name: part for name, part in value.items() if isinstance(name, str) and has_tensors(part)}
        kept = _kept(parts)
        if parts and not kept:
            return Chosen(value, key, tuple(left_out), state_only=True)
        left_out += [(name, part) for name, part in parts.items() if name not in kept]
        wrapper = next((name for name in _MODEL if isinstance(kept.get(name), dict)), None)
        if wrapper is None or is_optimizer(kept[wrapper]):
            others = (
                value
                if len(kept) == len(parts)
                else {name: part for name, part in value.items() if name not in parts or name in kept}
            )
            return Chosen(others, key, tuple(left_out))
        left_out += [(name, part) for name, part in kept.items() if name != wrapper]
        value, key = kept[wrapper], f"{key}.{wrapper}".strip(".")
    return Chosen(value, key, tuple(left_out))


def _kept(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that are of a model: no optimizers, and no averages beside what they are averages of."""
    models = {name: part for name, part in parts.items() if not _is_state(name, part)}
    first = {name: part for name, part in models.items() if not _AVERAGE.search(name) or not isinstance(part, dict)}
    return first or models


def _is_state(name: str, part: Any) -> bool:
    return is_optimizer(part) or (isinstance(part, (dict, list, tuple)) and _OPTIMIZER.search(name) is not None)


def is_optimizer(value: Any) -> bool:
    """Whether a value is what ``Optimizer.state_dict()`` returns, or several of it."""
    several = value if isinstance(value, (list, tuple)) else (value,)
    return bool(several) and all(
        isinstance(each, dict) and {"param_groups", "state"} <= each.keys() for each in several
    )


def without_optimizer(contents: Contents) -> Contents:
    """Return contents without what names that hold a whole path say is an optimizer's; where it is all there is, as its state."""
    entries = contents.entries
    if any(entry.role == "optimizer" for entry in entries):
        return contents
    states = [entry for entry in entries if entry.name.split(".")[0].lower() in _FLAT_OPTIMIZER]
    if (states and len(states) == len(entries)) or _are_states(entries):
        return as_state(contents)
    if not states:
        return contents
    left = set(map(id, states))
    size = sum(entry.bytes for entry in states)
    note = f"Left out: {counted(len(states), 'tensor')} of the optimizer ({counted(size, 'byte')})."
    return replace(contents, entries=tuple(e for e in entries if id(e) not in left), notes=(*contents.notes, note))


def as_state(contents: Contents) -> Contents:
    """Return contents of which everything is an optimizer's state."""
    entries = tuple(replace(entry, role="optimizer") for entry in contents.entries)
    return replace(contents, entries=entries, notes=(STATE_ONLY, *contents.notes))


def _are_states(entries: Sequence[Entry]) -> bool:
    last = {entry.name.rpartition(".")[2] for entry in entries}
    return last <= _STATES and bool(last & _AVERAGES_OF_GRADIENTS)
