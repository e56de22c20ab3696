"""``python -m benchmarks.onnx_tool_worker FOLDER FIRST LAST``: onnx-tool's answer to cases of a folder, a line of JSON for each."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def answer(path: Path) -> dict[str, Any]:
    """Whether it counts zero, and whether the shapes of all outputs are right; empty where it raises."""
    import onnx_tool

    try:
        graph = onnx_tool.Model(str(path), {"verbose": False}).graph
        graph.graph_reorder_nodes()
        graph.shape_infer(dict(np.load(path.with_suffix(".npz"))) or None)
        graph.profile()
        expected = json.loads(path.with_suffix(".json").read_text())
        found = {name: [int(size) for size in graph.tensormap[name].get_shape()] for name in expected}
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return {}
    return {"zero": sum(graph.macs) == 0, "shapes": found == expected}


def main(folder: str, first: str, last: str) -> None:
    """Answer one case after the other."""
    warnings.simplefilter("ignore")
    for number in range(int(first), int(last)):
        with contextlib.redirect_stdout(io.StringIO()):
            found = answer(Path(folder) / f"{number}.onnx")
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
