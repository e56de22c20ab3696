"""``python -m benchmarks.onnx_cases``: ONNX's own cases of single operators, run by nncost and read by onnx-tool.

nncost computes the outputs, which must be those that come with a case: ``passed``, ``refused`` with a reason, ``wrong``, or ``lost``
where one is not given. onnx-tool computes none; of it is told on how many cases it raises (or does not end within some
seconds, or takes its process with it), on how many it counts nothing although nncost counts arithmetic, and on how many the
shapes of all outputs are right. It is given the inputs as arrays.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx

import nncost
from nncost.counting.quantities import PRIMITIVE
from nncost.errors import NncostError
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from tests.onnx.case_table import outcomes
from tests.onnx.official import LOST, PASSED, REFUSED, WRONG, node_cases, plain

SECONDS = 20
"""What a case may take, the start of the process included."""


def main() -> None:
    """Print what came of all cases."""
    warnings.simplefilter("ignore")
    cases = list(node_cases())
    found = Counter(result.kind for result in outcomes(cases).values())
    print(f"\nONNX {onnx.__version__}: {len(cases):,} official cases of single operators")
    print(f"  nncost {nncost.__version__}, outputs:  {_listed(found, PASSED, REFUSED, WRONG, LOST)}")
    if find_spec("onnx_tool") is None:
        print("  onnx-tool is not installed; it is left out.")
        return
    with TemporaryDirectory() as folder:
        answers = list(_peer(Path(folder), cases))
    raised, zeros = _raised(answers), sum(bool(a.get("zero")) for a in answers)
    shapes = sum(bool(answer.get("shapes")) for answer in answers)
    print(
        f"  onnx-tool {version('onnx-tool')}:  raises on {raised:,}, counts nothing where there is arithmetic on {zeros:,}, "
        f"right shapes of all outputs on {shapes:,}"
    )


def _listed(found: Counter[str], *kinds: str) -> str:
    return ", ".join(f"{kind} {found[kind]:,}" for kind in kinds)


def _raised(answers: list[dict[str, Any]]) -> int:
    return sum("shapes" not in answer for answer in answers)


def _peer(folder: Path, cases: list[Any]) -> Iterator[dict[str, Any]]:
    """The peer's answer to each case, an empty one where it raised; where it counts zero, whether that is wrong."""
    for number, case in enumerate(cases):
        _write(folder, number, case)
    number = 0
    while number < len(cases):
        for line in _worker(folder, number, len(cases)):
            answer = json.loads(line)
            answer["zero"] = answer.get("zero", False) and _has_arithmetic(folder / f"{number}.onnx")
            yield answer
            number += 1
        if number < len(cases):  # The process ended, or was ended, on this one.
            yield {}
            number += 1


def _write(folder: Path, number: int, case: Any) -> None:
    """The case's model, its input arrays, and the shapes of its outputs."""
    onnx.save(case.model, folder / f"{number}.onnx")
    given, expected = (list(map(plain, values)) for values in case.data_sets[0])
    constants = {tensor.name for tensor in case.model.graph.initializer}
    names = [value.name for value in case.model.graph.input if value.name not in constants]
    arrays = {name: value for name, value in zip(names, given, strict=False) if isinstance(value, np.ndarray)}
    np.savez(folder / f"{number}.npz", **{name: value for name, value in arrays.items() if value.dtype.kind in "biuf"})
    outputs = zip(case.model.graph.output, expected, strict=False)
    shapes = {value.name: list(np.shape(array)) for value, array in outputs if not isinstance(array, list)}
    (folder / f"{number}.json").write_text(json.dumps(shapes))


def _worker(folder: Path, first: int, last: int) -> Iterator[str]:
    """Lines of a process that is ended where none comes for some seconds."""
    arguments = [sys.executable, "-m", "benchmarks.onnx_tool_worker", str(folder), str(first), str(last)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        while True:
            watch = threading.Timer(SECONDS, process.kill)
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            if not line.endswith("\n"):
                return
            yield line


def _has_arithmetic(path: Path) -> bool:
    try:
        rows = count_source(str(path), Settings()).ledger.rows
    except NncostError:
        return False
    return any(row.quantity in PRIMITIVE and row.amount != 0 for row in rows)


if __name__ == "__main__":
    main()
