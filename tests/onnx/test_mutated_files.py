"""Files of real networks and of every operator with bytes changed: a report or one of our errors, soon, and nothing else.

``NNCOST_TRIALS`` asks for a multiple of them, ``NNCOST_FUZZ_SEED`` for others.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

import nncost
from nncost.errors import NncostError
from tests.onnx.models import LIGHT, SHIPPED
from tests.trials import trials

EXAMPLES, SEED = trials(1_500), os.environ.get("NNCOST_FUZZ_SEED", "0")
SECONDS = 10
"""Of the processor, for the slowest, also on a machine that is busy."""
SMALL = sorted(
    path for kind in ("node", "simple", "pytorch-converted", "pytorch-operator") for path in (SHIPPED / kind).glob("*/model.onnx")
)  # fmt: skip
LARGE = sorted(LIGHT.glob("*.onnx"))
WAYS = [{}, {}, {"batch": 3}, {"batch": "B"}, {"loss": "squared_error", "optimizer": "adam"}]


def changed(rng: random.Random, content: bytes) -> bytes:
    """A few bytes set, flipped, removed, put in or repeated; now and then the end is cut off."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 8, 30])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.choice([1, 2, 8, 100])]
            case 3:
                data[at:at] = rng.randbytes(rng.choice([1, 2, 8]))
            case 4:
                data[at:at] = data[max(0, at - rng.choice([4, 20, 100])) : at]
            case _ if at < len(data):
                data[at] = rng.choice([0, 1, 127, 128, 255])
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.05 else data)


@pytest.mark.filterwarnings("ignore")
def test_changed_files_are_counted_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for example in range(EXAMPLES):
        rng = random.Random(f"{SEED} {example}")
        source = rng.choice(LARGE if rng.random() < 0.1 else SMALL)
        path.write_bytes(changed(rng, source.read_bytes()))
        where, started = f"example {example}: {source}", time.process_time()
        try:
            str(nncost.count(str(path), **rng.choice(WAYS)))
        except NncostError as error:
            assert str(error), where
        except BaseException as error:
            error.add_note(where)
            raise
        assert time.process_time() - started < SECONDS, where
