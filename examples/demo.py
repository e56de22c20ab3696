"""``make demo``: what the textbook network, a real ResNet-50 file and, with PyTorch, a transformer cost; a page to look at."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nncost.cli.main import run

RESNET = "light_resnet50.onnx"
"""A real file, which the onnx package ships."""
PAGE = Path.cwd() / "report.html"
COMMANDS = (
    ("count", "784-16-16-10"),
    ("formula", "h0-h1-...-hl", "parameters"),
    ("explain", "784-16-16-10", "parameters"),
    ("explain", "784-16-16-10", "backward.mul"),
    ("count", RESNET, "--by", "op", "--loss", "cross_entropy", "--optimizer", "sgd"),
    ("plot", "784-16-16-10", "layers"),
    ("predict", "784-16-16-10", "--batch", "32", "--examples", "60000", "--epochs", "10", "--on", "h100"),
    ("report", RESNET, "--loss", "cross_entropy", "--optimizer", "sgd", "--on", "h100", "-o", str(PAGE)),
)
NETWORK = ("784-512-512-10", "--batch", "64", "--optimizer", "adam")
CALIBRATE = ("calibrate",)
"""On a machine that is too busy it is refused."""
WITH_TORCH = (
    ("count", f"{__file__}:transformer", "--by", "op", "--loss", "sum", "--optimizer", "adamw"),
    CALIBRATE,
    ("predict", *NETWORK),
    ("measure", *NETWORK),
)
"""What a step takes on this machine: said before, then seen."""


def transformer() -> Any:
    """PyTorch's own transformer, the base model of Vaswani et al. 2017, and sentences of 128 words to translate."""
    from torch import nn

    return nn.Transformer(batch_first=True), ((1, 128, 512), (1, 128, 512))


def main() -> int:
    """Run them one after the other; the first exit code that is not zero."""
    import onnx

    os.chdir(Path(onnx.__file__).parent / "backend" / "test" / "data" / "light")
    for command in (*COMMANDS, *(WITH_TORCH if find_spec("torch") else ())):
        shown = [f'"{word}"' if " " in word else word for word in command]
        print(f"\n$ nncost {' '.join(shown)}\n", flush=True)  # noqa: T201
        code = run(list(command))
        if code and command == CALIBRATE:
            print("\nSeconds on this machine are left out: they need a calibration.")  # noqa: T201
            return 0
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
