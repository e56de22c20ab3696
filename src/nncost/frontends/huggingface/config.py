"""The JSON text of a configuration: found, read and checked before transformers sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.files import read_bytes

CONFIG = "config.json"
MAX_BYTES = 16 * 2**20
"""The longest real configurations name 21,843 classes in about 2 MB."""
MAX_DEPTH = 32
MAX_LAYERS = 2_000
"""Twice the deepest published transformer (DeepNet, arXiv 2203.00555: 1,000 layers)."""
MAX_COUNT = 2**40
MAX_LABELS = 1_000_000
MAX_DIGITS = 300
LONG, ENDLESS = 10**30, 10**300
_LAYERS = re.compile(r"(?:\A|_)(layers|n_layer|depths?|blocks)\Z")
_COUNT = re.compile(r"\A(num|n)_|_size\Z|_dim\Z|\A(d|dim)_model\Z")
_WHOLE_AXIS = ("group_size", -1)
"""How a quantization_config says that all inputs share a scale."""
_LABELS = re.compile(r"labels\Z|classes\Z")
_DROPPED = frozenset(
    f"{prefix}{name}{suffix}"
    for name in ("attn_implementation", "experts_implementation")
    for prefix in ("", "_")
    for suffix in ("", "_internal")
) | {"auto_map", "quantization_config", "dtype", "torch_dtype", "_name_or_path", "name_or_path"}
"""Keys that name code, places or number formats and change nothing about the network."""


def read(source: str) -> dict[str, Any]:
    """Return the configuration at ``source``, a file or a folder that holds one. Raise SourceError for anything else."""
    path = _path(source)
    content = read_bytes(str(path), MAX_BYTES)
    try:
        values = json.loads(content, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SourceError(f"{str(path)!r} is not JSON: {reason[:200]}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise SourceError(
            f"{str(path)!r} is not a transformers configuration: it has no model_type.",
            hint='Such a file begins like {"model_type": "llama", "hidden_size": 4096, …}.',
        )
    for key, value, depth in _walk(values):
        _check(str(path), key, value, depth)
    return values


def building(values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what names code or places; a backbone is built, never downloaded."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if key == "use_pretrained_backbone":
            kept[key] = False
        elif key not in _DROPPED:
            kept[key] = building(value) if isinstance(value, dict) else value
    return kept


def number_format(values: Mapping[str, Any]) -> str | None:
    """The type of the weights that the configuration names, if any."""
    named = values.get("dtype", values.get("torch_dtype"))
    return named.removeprefix("torch.") if isinstance(named, str) else None


def _path(source: str) -> Path:
    given = Path(source)
    try:
        path = given / CONFIG if given.is_dir() else given
        if path.is_symlink() or given.is_dir():
            _check_link(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"cannot read {source!r}: {getattr(error, 'strerror', None) or error}.") from None
    if given.is_dir() and not path.exists():
        raise SourceError(
            f"the folder {source!r} holds no {CONFIG}.", hint="Name the file itself:  nncost count folder/model.json"
        )
    return path


def _check_link(path: Path) -> None:
    """A link must stay in its folder, or in the hub's cache that the folder is a snapshot of."""
    folder, target = path.parent.resolve(), path.resolve()
    allowed = [folder, folder.parents[1] / "blobs"] if folder.parent.name == "snapshots" else [folder]
    if not any(target.is_relative_to(place) for place in allowed):
        raise SourceError(
            f"{str(path)!r} is a link out of its folder, to {str(target)!r}.",
            hint="Name that file itself if you trust it.",
        )


def _walk(values: Any) -> Iterator[tuple[str, Any, int]]:
    """Every number and container below, with the nearest key and its depth."""
    waiting: list[tuple[str, Any, int]] = [("", values, 0)]
    while waiting:
        key, value, depth = waiting.pop()
        yield key, value, depth
        if depth > MAX_DEPTH:
            return
        if isinstance(value, dict):
            waiting += [(str(name), inner, depth + 1) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(key, inner, depth + 1) for inner in value]


def _check(path: str, key: str, value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise SourceError(f"{path!r} is nested more than {MAX_DEPTH} deep; no configuration is.")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    if _LAYERS.search(key) and value > MAX_LAYERS:
        raise SourceError(
            f"{path!r} asks for {_short(value)} {key}; nncost builds at most {MAX_LAYERS:,}.",
            hint="Count one with fewer layers, or a spec with a symbol:  nncost count 512-512*L-10",
        )
    if (_LAYERS.search(key) or _COUNT.search(key)) and value < 0 and (key, value) != _WHOLE_AXIS:
        raise SourceError(f"{path!r}: {key} is {_short(value)}; it cannot be negative.")
    limit = MAX_LABELS if _LABELS.search(key) else MAX_COUNT
    if isinstance(value, int) and abs(value) > limit:
        raise SourceError(f"{path!r}: {key} is {_short(value)}; at most {limit:,} can be built.")


def _integer(text: str) -> float:
    """A whole number; one of very many digits is as good as infinite, and slow to read."""
    return int(text) if len(text) <= MAX_DIGITS else float(text)


def _short(value: float) -> str:
    if abs(value) < LONG:
        return f"{value:,}"
    return "an endless number" if abs(value) >= ENDLESS else f"{float(value):.3g}"
