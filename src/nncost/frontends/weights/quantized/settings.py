"""What a configuration beside a checkpoint says of its quantization."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nncost.frontends.weights.files import unique_json
from nncost.frontends.weights.folders import is_inside
from nncost.records import field, record

_FILES = ("config.json", "quantize_config.json", "quant_config.json", "hf_quant_config.json")
_PARTS = ("quantization_config", "quantization", "compression_config")
_MAX_BYTES = 16 * 2**20
_MAX_BITS = 16


@record
class Settings:
    """The method, bits and group size that a configuration names (None: it does not), and those of single layers."""

    method: str = ""
    bits: int | None = None
    group: int | None = None
    layers: Mapping[str, Settings] = field(default_factory=dict)

    def of(self, layer: str) -> Settings:
        """Return those of a layer."""
        return self.layers.get(layer, self)


NOTHING = Settings()


def settings_beside(source: str, metadata: Mapping[str, str]) -> Settings:
    """Return what the file's own metadata or a configuration in its folder says; nothing where there is none."""
    for name in _PARTS:
        if name in metadata:
            return _settings(_json(metadata[name].encode()))
    folder = Path(source).parent
    for name in _FILES:
        content = _json(_beginning(folder / name, folder))
        part = next((content[key] for key in _PARTS if isinstance(content.get(key), dict)), None)
        if part is not None or (content and name != _FILES[0]):
            return _settings(part or content)
    return NOTHING


def _beginning(path: Path, folder: Path) -> bytes:
    """The content of a regular file in the folder; nothing of any other."""
    try:
        if not path.is_file() or not is_inside(path, folder) or path.stat().st_size > _MAX_BYTES:
            return b""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return b""


def _json(content: bytes) -> dict[str, Any]:
    try:
        value = unique_json(content) if content else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _settings(part: Mapping[str, Any]) -> Settings:
    """The numbers of one configuration; ``layers`` are its entries that are configurations themselves (MLX)."""
    weights = _weights(part)
    method = next((part[key] for key in ("quant_method", "quant_algo") if isinstance(part.get(key), str)), "")
    layers = {name: _settings_of_layer(inner) for name, inner in part.items() if isinstance(inner, dict) and "bits" in inner}  # fmt: skip
    return Settings(
        method[:40],
        _number(weights, "bits", "num_bits", "w_bit", "nbits", "bits_per_weight"),
        _number(weights, "group_size", "q_group_size"),
        layers,
    )


def _settings_of_layer(part: Mapping[str, Any]) -> Settings:
    return Settings("", _number(part, "bits"), _number(part, "group_size"))


def _weights(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the bits stand: at the top, or in the only group of compressed-tensors."""
    groups = part.get("config_groups")
    groups = [group for group in groups.values() if isinstance(group, dict)] if isinstance(groups, dict) else []
    weights = groups[0].get("weights") if len(groups) == 1 else None
    return weights if isinstance(weights, dict) else part


def _number(part: Mapping[str, Any], *names: str) -> int | None:
    value = next((part[name] for name in names if name in part), None)
    most = _MAX_BITS if "bits" in names else 2**20
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else None
