"""What each recipe promises, used in the copy where it was applied: ``python uses.py REPOSITORY`` writes the failures as JSON."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch

import nncost
from nncost.cli.main import run

REPOSITORY = Path(sys.argv[1])
DIGITS = str(REPOSITORY / "examples/digits.csv")
TRAINING = {"target": "digit", "epochs": 1, "batch": 256}


def printed(*arguments: str) -> str:
    """What the command prints on standard output."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        assert run(list(arguments)) == 0
    return out.getvalue()


def table(name: str) -> str:
    """A table of the documents."""
    sys.path.insert(0, str(REPOSITORY / "docs"))
    import generate

    return "\n".join(generate.TABLES[name]())


def used(source: Any, **settings: Any) -> nncost.Report:
    """The report of a training step that is complete, explained and whose memory is known."""
    report = nncost.count(source, **settings)
    assert report.complete
    assert report.memory.step_peak is not None
    assert "Backward pass" in str(nncost.explain(source, **settings))
    return report


def activation() -> None:
    report = used("3, dense 4, squareplus")
    assert report.forward.sqrt == report.forward.activations == 4
    assert report.forward.mul == 12 + 8
    assert nncost.count("3-4:squareplus-2").forward.sqrt == 4
    assert "squareplus" in str(nncost.explain("3, dense 4, squareplus", "forward"))
    assert "squareplus" in printed("count", "--help")
    assert "| squareplus | `N, squareplus` | mul `2*B*N`" in table("composites")
    assert "`squareplus`" in table("layers")


def activation_is_measured_and_trained() -> None:
    measured = nncost.measure("3, dense 4, squareplus", batch=2)
    assert measured.to_dict()["measured"]
    for engine in ("torch", "numpy"):
        assert nncost.train("64-16:squareplus-10", DIGITS, engine=engine, **TRAINING).to_dict()["test_accuracy"] > 0


def spec_layer() -> None:
    report = used("3x4, layerscale")
    assert (report.forward.mul, report.backward.mul, report.parameters.weights) == (12, 12, 4)
    assert "| layerscale | `TxD, layerscale` | mul `B*D*T`" in table("composites")
    assert "A learned factor for each value of the last axis" in table("layers")
    assert nncost.measure("4, dense 4, layerscale", batch=2).to_dict()["measured"]
    assert nncost.train("64, dense 16, layerscale, dense 10", DIGITS, **TRAINING).to_dict()["test_accuracy"] > 0


def loss() -> None:
    report = used("3-4-2", loss="absolute_error", batch=2)
    assert (report.loss.add, report.loss.div) == (4 + 3, 1 + 4)
    assert "absolute_error" in printed("count", "--help")
    assert "absolute_error" in printed("train", "--help")
    assert "| `absolute_error` | add `" in table("losses")
    assert nncost.measure("3-4-2", loss="absolute_error", batch=2).to_dict()["measured"]
    module = torch.nn.Linear(3, 2)
    assert nncost.count(module, (4, 3), loss="absolute_error").complete
    assert nncost.measure(module, (4, 3), loss="absolute_error").to_dict()["measured"]
    for engine in ("torch", "numpy"):
        trained = nncost.train("64-16-10", DIGITS, loss="absolute_error", engine=engine, **TRAINING)
        assert trained.to_dict()["test_accuracy"] > 0


def optimizer() -> None:
    report = used("3-4-2", optimizer="signsgd")
    assert report.update.mul == report.update.add == report.parameters.trainable
    assert "sign(g)" in str(nncost.explain("3-4-2", "update", optimizer="signsgd"))
    assert "signsgd" in printed("count", "--help")
    assert "| `signsgd` | `p ← p − η·sign(g)` |" in table("optimizers")
    assert "| `signsgd` | 0.001 |" in table("learning_rates")
    assert "signsgd" in printed("train", "--help")
    assert nncost.train("64-16-10", DIGITS, optimizer="signsgd", **TRAINING).to_dict()["test_accuracy"] > 0


def dtype() -> None:
    assert nncost.count("3-4-2", dtype="float128").parameters.bytes == 16 * 26
    assert "float128" in printed("count", "--help")
    assert used("3-4-2", dtype="float128").memory.step_peak == 4 * used("3-4-2").memory.step_peak


def onnx_operator() -> None:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("SharpGate", ["h"], ["y"], domain="com.example"),
    ]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 4]) for name in "xy")
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.example", 1)]
    model = helper.make_model(helper.make_graph(nodes, "net", [x], [y], [weight]), opset_imports=opsets, ir_version=10)
    onnx.save(model, "net.onnx")
    report = used("net.onnx", loss="squared_error", optimizer="sgd")
    assert (report.forward.mul, report.forward.sigmoid) == (32 + 16, 8)
    assert nncost.measure("net.onnx", loss="squared_error", optimizer="sgd").to_dict()["measured"]


def torch_operator() -> None:
    from torch import nn

    @torch.library.custom_op("example::square_plus", mutates_args=())
    def square_plus(x: torch.Tensor, shift: float) -> torch.Tensor:
        return 0.5 * (x + torch.sqrt(x * x + shift))

    @square_plus.register_fake
    def _(x: torch.Tensor, shift: float) -> torch.Tensor:
        return torch.empty_like(x)

    class Layer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return square_plus(x, 4.0)

    report = nncost.count(nn.Sequential(nn.Linear(3, 4), Layer()), (2, 3))
    assert report.complete
    assert (report.forward.mul, report.forward.sqrt) == (24 + 16, 8)
    assert nncost.measure(nn.Sequential(nn.Linear(3, 4), Layer()), (2, 3)).to_dict()["measured"]


def output_format() -> None:
    assert "13,002" in printed("count", "784-16-16-10", "--wide")
    assert len(printed("explain", "784-16-16-10", "--wide").splitlines()) < len(
        printed("explain", "784-16-16-10").splitlines()
    )
    for command in ("count", "explain", "predict", "measure", "train", "devices", "coverage"):
        assert "Aligned text of 200 columns." in printed(command, "--help")


def front_end() -> None:
    Path("net.widths").write_text("784\n16\n16\n10\n")
    report = used("net.widths", loss="squared_error", optimizer="sgd", batch=2)
    assert (report.source.kind, report.parameters.total, report.forward.mul) == ("widths", 12_960, 2 * 12_960)
    assert "12,960" in printed("count", "net.widths")
    assert nncost.count("net.widths", loss="squared_error", fits="1MiB").memory.fits is not None
    assert nncost.measure("net.widths", loss="squared_error", optimizer="sgd").to_dict()["measured"]


USES: tuple[Callable[[], None], ...] = (
    activation, activation_is_measured_and_trained, spec_layer, loss, optimizer, dtype, onnx_operator, torch_operator, output_format,
    front_end,
)  # fmt: skip


def main() -> None:
    """Use every recipe and print why it failed, by name."""
    failed = {}
    for use in USES:
        try:
            use()
        except BaseException:  # noqa: BLE001 - told to the test that asked
            failed[use.__name__] = traceback.format_exc()
    sys.stdout.write(f"{json.dumps(failed)}\n")


if __name__ == "__main__":
    main()
