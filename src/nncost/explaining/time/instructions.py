"""How many machine instructions a step executes, counted by valgrind in a process of its own.

The process builds the counted graph as NumPy calls and runs it some times, and then twice as often: the difference
is what the steps themselves execute, without the start of Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from nncost.cache import cache_folder, read_json, write_json
from nncost.explaining.time.here import numpy_step
from nncost.frontends.model import LoadOptions
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from nncost.records import record

TOOL = "valgrind"
TIMEOUT_SECONDS = 20
STEPS, FEWEST_STEPS = 25, 3
MOST_FLOPS = 2 * 10**7
"""A step of more operations would keep valgrind busy for longer than a reader waits."""
_FLOPS_OF_A_RUN = 5 * 10**7
"""Operations of all steps together that valgrind is through with in some two seconds."""
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")
_CODE = "import sys; from nncost.explaining.time.instructions import run_steps; run_steps(*sys.argv[1:])"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


@record
class Network:
    """A spec as its own process needs it."""

    spec: str
    batch: int
    loss: str
    optimizer: str
    bias: str
    activation: str


def instructions_of_step(network: Network, flops: int = 0) -> int | None:
    """Return the machine instructions of one step run by NumPy, or None if they cannot be counted here. Cached on disk.

    Of a step of many ``flops`` fewer are run.
    """
    if shutil.which(TOOL) is None:
        return None
    path = _path(network)
    known = read_json(path)
    if isinstance(known, dict) and isinstance(known.get("instructions"), int):
        return int(known["instructions"])
    few = max(FEWEST_STEPS, min(STEPS, _FLOPS_OF_A_RUN // max(flops, 1)))
    with ThreadPoolExecutor(2) as pool:
        once, twice = pool.map(lambda steps: _counted(network, steps), (few, 2 * few))
    if once is None or twice is None or twice <= once:
        return None
    found = (twice - once) // few
    _remember(path, found)
    return found


def _remember(path: Path, instructions: int) -> None:
    try:
        write_json(path, {"instructions": instructions})
    except OSError:
        return  # It is counted again next time.


def _path(network: Network) -> Path:
    known = [asdict(network), version("numpy"), version("nncost"), sys.version]
    digest = sha256(json.dumps(known).encode()).hexdigest()
    return cache_folder() / "instructions" / f"{digest}.json"


def _counted(network: Network, steps: int) -> int | None:
    """Return all instructions of a process that runs so many steps, or None if valgrind fails or takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        command = [TOOL, "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={folder}/counts",
                   sys.executable, "-c", _CODE, str(steps), json.dumps(asdict(network))]  # fmt: skip
        environment = {**os.environ, **_ONE_THREAD}
        try:
            done = subprocess.run(  # noqa: S603  A fixed command; the spec travels as JSON.
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=environment, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
    total = _TOTAL.search(done.stderr)
    return None if total is None else int(total[1].replace(",", ""))


def run_steps(steps: str, network: str) -> None:
    """What the process does: as many steps as it is told."""
    chosen = Network(**json.loads(network))
    load = LoadOptions(batch=chosen.batch, bias=chosen.bias, activation=chosen.activation)  # type: ignore[arg-type]
    settings = Settings(loss=chosen.loss, optimizer=chosen.optimizer, load=load)
    step = numpy_step(count_source(chosen.spec, settings))
    for _ in range(int(steps)):
        step()
