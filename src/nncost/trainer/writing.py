"""The files of a finished training: its weights, its network and its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nncost.backends.onnx import onnx_bytes, safetensors_bytes
from nncost.errors import MissingExtraError, SourceError
from nncost.trainer.checkpoint import write_whole
from nncost.trainer.engine import Engine
from nncost.trainer.network import Network
from nncost.trainer.outcome import Training

WEIGHTS_FILE, NETWORK_FILE, REPORT_FILE = "weights.safetensors", "network.onnx", "training.json"


def write_results(folder: Path, network: Network, engine: Engine, result: Training) -> tuple[list[str], list[str]]:
    """Write what can be written; return the paths and the reasons why something was left out.

    Weights and network take scaled inputs; how to scale is in ``training.json`` and in the weights' metadata.
    """
    graph = network.inference(1)
    values = dict(zip(graph.parameters, engine.values().values(), strict=True))
    scaling = dict(result.scaling)
    about = {
        "source": network.name, "task": result.task, "classes": json.dumps(list(result.labels)),
        "scaling": json.dumps(scaling),
    }  # fmt: skip
    content: dict[str, Any] = result.to_dict() | {"scaling": scaling}
    files: tuple[tuple[str, Callable[[], bytes]], ...] = (
        (WEIGHTS_FILE, lambda: safetensors_bytes(graph, values, metadata=about)),
        (NETWORK_FILE, lambda: onnx_bytes(graph, values)),
        (REPORT_FILE, lambda: json.dumps(content, indent=1).encode()),
    )
    written, notes = [], []
    for name, content_of in files:
        try:
            content_bytes = content_of()
        except (MissingExtraError, SourceError) as error:
            notes.append(f"{name} was not written: {error}".replace("\n", " "))
            continue
        write_whole(folder / name, content_bytes)
        written.append(str(folder / name))
    return written, notes
