"""The files of a finished training: weights, the network, and what it cost."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nncost.running.training.checkpoint import write_whole
from nncost.running.training.engine import Engine
from nncost.running.training.network import Network
from nncost.running.training.outcome import Training

WEIGHTS_FILE, NETWORK_FILE, REPORT_FILE = "weights.safetensors", "network.onnx", "training.json"


def write_results(folder: Path, network: Network, engine: Engine, result: Training) -> tuple[list[str], list[str]]:
    """Write what can be written; the paths, and what was left out because a package is not there."""
    written, notes = [], []
    values = engine.values()
    if find_spec("safetensors") is None:
        notes.append(f'{WEIGHTS_FILE} was not written: pip install "nncost[train]"')
    else:
        from safetensors.numpy import save

        described = {"source": network.name, "nncost": "training"}
        write_whole(folder / WEIGHTS_FILE, save(values, metadata=described))
        written.append(str(folder / WEIGHTS_FILE))
    content: dict[str, Any] = result.to_dict() | {"scaling": dict(result.scaling)}
    write_whole(folder / REPORT_FILE, json.dumps(content, indent=1).encode())
    return [*written, str(folder / REPORT_FILE)], notes
