"""``python -m benchmarks.onnx_files``: networks in files, read and counted, beside loading them and inferring shapes; time and memory."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

import nncost
from benchmarks.timing import fastest, print_ratios
from tests.torch.vision import import_torchvision

LAYERS = 3
"""Of GPT-2, in its full width."""
THEIRS, OURS, TRAINED = "onnx: load and infer shapes", "nncost: forward", "nncost: forward, backward, update"
STATUS = Path("/proc/self/status")
PEAK = f"""
import pathlib, re, sys
def peak(): return int(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("{STATUS}").read_text())[1])
IMPORTED
before = peak()
RUN
print(peak() - before)
"""
"""What a process needs at most beyond what its imports need, as Linux tells."""
PROGRAMS = {
    THEIRS: ("import onnx", "onnx.shape_inference.infer_shapes(onnx.load(sys.argv[1]))"),
    OURS: ("import nncost, onnx; nncost.count('2-2')", "nncost.count(sys.argv[1])"),
}


def main() -> None:
    """Print both networks' ratios."""
    light = Path(onnx.__file__).parent / "backend/test/data/light/light_densenet121.onnx"
    _compared("light_densenet121.onnx", light)
    if find_spec("torch") is None or find_spec("transformers") is None or find_spec("onnxscript") is None:
        print("\nGPT-2 is left out: exporting it takes torch, transformers and onnxscript.")
        return
    with TemporaryDirectory() as folder:
        _compared(f"GPT-2 of {LAYERS} layers, exported by PyTorch", _gpt2(Path(folder)))


def _compared(name: str, path: Path) -> None:
    candidates: dict[str, Callable[[], object]] = {
        THEIRS: lambda: onnx.shape_inference.infer_shapes(onnx.load(path)),
        OURS: lambda: nncost.count(str(path)),
        TRAINED: lambda: nncost.count(str(path), loss="sum", optimizer="sgd"),
    }
    print_ratios(f"{name}, against shape inference: time", fastest(candidates, 3), THEIRS)
    if not STATUS.exists():
        print("  Peak memory is left out: this system does not tell it.")
        return
    peaks = {name: float(_peak(program, path)) for name, program in PROGRAMS.items()}
    print_ratios(f"{name}, against shape inference: peak memory beside the imports", peaks, THEIRS)


def _peak(program: tuple[str, str], path: Path) -> int:
    code = PEAK.replace("IMPORTED", program[0]).replace("RUN", program[1])
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return max(int(done.stdout), 1)


def _gpt2(folder: Path) -> Path:
    import torch

    import_torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    warnings.simplefilter("ignore")
    module = GPT2LMHeadModel(GPT2Config(n_layer=LAYERS, use_cache=False)).eval()
    path = folder / "gpt2.onnx"
    torch.onnx.export(
        module, (torch.zeros(1, 128, dtype=torch.int64),), path, dynamo=True, verbose=False, external_data=False
    )
    return path


if __name__ == "__main__":
    main()
