"""``make demo``: what the textbook network and a real ResNet-50 file cost, with the commands that tell."""

from __future__ import annotations

import sys
from pathlib import Path

from nncost.cli.main import run


def commands() -> list[list[str]]:
    """The commands of the demonstration, one real ONNX file among them."""
    import onnx

    model = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"
    textbook = "784-16-16-10"
    return [
        ["count", textbook],
        ["formula", "h0-h1-...-hl", "parameters"],
        ["explain", textbook, "parameters"],
        ["explain", textbook, "backward.mul"],
        ["count", str(model), "--by", "op", "--loss", "cross_entropy", "--optimizer", "sgd"],
    ]


def main() -> int:
    """Run them one after the other; the first exit code that is not zero."""
    for command in commands():
        shown = [f'"{word}"' if " " in word else word for word in command]
        print(f"\n$ nncost {' '.join(shown)}\n", flush=True)  # noqa: T201
        code = run(command)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
