"""``make bench``: speed beside the peers, as ratios taken in one run; absolute times mean nothing on a shared machine."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import nncost
from benchmarks.timing import fastest, print_ratios, process

EMPTY = "import click\n@click.command()\ndef main(): click.echo('')\nmain()"
NNCOST = "from nncost.cli.main import main; main()"
GPT = (
    "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], "
    "residual[layernorm, dense 3072, gelu, dense 768]]*L, layernorm, dense 50257 bias=no"
)
BLOCK = "16x16x16, [residual[conv 16 3x3 pad=1, batchnorm, relu]]*{times}, global_avgpool, dense 10"


def start() -> None:
    """The command line against a click program that does nothing."""
    python = sys.executable
    candidates = {
        "empty click program": process([python, "-c", EMPTY]),
        "nncost --help": process([python, "-c", NNCOST, "--help"]),
        "nncost count 784-16-16-10": process([python, "-c", NNCOST, "count", "784-16-16-10"]),
    }
    aims = {"nncost --help": 1.3, "nncost count 784-16-16-10": 3.0}
    print_ratios("Start, against an empty click program", fastest(candidates, 12), "empty click program", aims)


def depth() -> None:
    """A repeated block, and the same written out."""

    def counted(spec: str) -> Callable[[], object]:
        return lambda: nncost.count(spec)

    candidates = {f"block x {times:,}": counted(BLOCK.format(times=times)) for times in (10, 100, 1_000, 10_000)}
    body = "residual[conv 16 3x3 pad=1, batchnorm, relu]"
    for times in (10, 100):
        written = ", ".join([body] * times)
        candidates[f"written out x {times:,}"] = counted(f"16x16x16, {written}, global_avgpool, dense 10")
    print_ratios("Growth with depth (training step), against 10 repetitions", fastest(candidates, 5), "block x 10")


def symbols() -> None:
    """A transformer with an open number of layers against the same in numbers."""
    candidates: dict[str, Callable[[], object]] = {
        "L = 12": lambda: nncost.count(GPT, symbols={"L": 12}),
        "L open": lambda: nncost.count(GPT),
        "L and batch open": lambda: nncost.count(GPT, batch="B"),
    }
    print_ratios("GPT-like training step, against numbers", fastest(candidates, 5), "L = 12")


def resnet() -> None:
    """The ResNet-50 file that the onnx package ships, against shape inference alone and onnx-tool."""
    import onnx

    path = str(Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx")
    candidates: dict[str, Callable[[], object]] = {
        f"onnx {onnx.__version__}: load and infer shapes": lambda: onnx.shape_inference.infer_shapes(onnx.load(path)),
        "nncost: forward": lambda: nncost.count(path),
        "nncost: forward, backward, update": lambda: nncost.count(path, loss="cross_entropy", optimizer="sgd"),
    }
    reference = next(iter(candidates))
    try:
        import onnx_tool
    except ImportError:
        print("\nonnx-tool is not installed; it is left out.")
    else:

        def profile() -> None:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                onnx_tool.model_profile(path)

        candidates[f"onnx-tool {version('onnx-tool')}: forward"] = profile
    print_ratios("light_resnet50.onnx, against shape inference", fastest(candidates, 5), reference)


def onnx_files() -> None:
    """ONNX's own cases beside onnx-tool, and networks in files beside shape inference."""
    from benchmarks import onnx_cases
    from benchmarks import onnx_files as files

    onnx_cases.main()
    files.main()


def torch_modules() -> None:
    """PyTorch modules against PyTorch's own counter and others."""
    from benchmarks import torch_speed

    torch_speed.main()


if __name__ == "__main__":
    print(f"nncost {nncost.__version__}, Python {sys.version.split()[0]}: the fastest of several runs, as ratios")
    for part in (start, depth, symbols, resnet, onnx_files, torch_modules):
        part()
