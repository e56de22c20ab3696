"""What does not fit is told in one sentence: on the command line without a traceback, in Python by the model's own exception."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.cli.main import run
from nncost.errors import NncostError, OptionError, ShapeError, SourceError, SymbolError


class Stop(Exception):  # noqa: N818
    """The user's own."""


ERROR = Stop("the very one")


@pytest.fixture(autouse=True)
def _untold() -> None:
    ERROR.__dict__.clear()


class RaisesBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise ERROR


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(image).mean((2, 3)))


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        return self.words(text)


class RaisesInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Sequential(nn.Identity(), Fails())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Fails(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ERROR


class Backward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return RaisesBackward.apply(self.dense(x))


class ByValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x) if x.sum() > 0 else x


class Interrupted(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt


class Opens(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Path("/there/is/none").read_text()
        return x


class Deep(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward(x)


COMMANDS = [
    ("Net", "1x4x8x8", "have 3 channels", "in layer 'block.0' (Conv2d), which received 1x4x8x8 and takes Nx3x…x…"),
    ("Net", "1x3x8x8:int64", "should be the same", "--input ids=1x128:int64"),
    ("Words", "1x7", "Long, Int", "--input ids=1x128:int64"),
    ("Words", "1x7", "Long, Int", "in layer 'words' (Embedding), which received 1x7 and takes whole numbers below 10"),
    ("RaisesInside", "1x4", "Stop: the very one", "in layer 'second.1' (Fails), which received 1x4"),
    ("RaisesInside", "1x5", "same reduction dim", "in layer 'first' (Linear), which received 1x5 and takes …x4"),
    ("Backward", "1x4 --loss sum", "Stop: the very one", "in the backward pass"),
    ("ByValues", "1x4", "needs the values of its inputs", "(module, tensors)"),
    ("Opens", "1x4", "FileNotFoundError", "in the model's own forward (Opens)"),
    ("Deep", "1x4", "RecursionError", ""),
    ("Net", "1x3x8x8 --input 1x3x8x8", "too many positional arguments", "It accepts (image"),
    ("Net", "y=1x3x8x8", "missing a required argument: 'image'", "--input image=1x3x224x224"),
    ("Net", "1x3x8x8:int65", "unknown type 'int65'", "int64"),
    ("Net", "1x3x8x8 --loss nope", "unknown loss 'nope'", "squared_error, cross_entropy"),
    ("Net", "1x3x8x8 --optimizer nope", "unknown optimizer 'nope'", "adamw, asgd"),
    ("Net", "1x3x8x8 --optimizer lbfgs", "LBFGS has no fixed cost", ""),
    ("Net", "1x3x8x8 --freeze nope", "freeze='nope' matches no layer", "block.0, head"),
    ("Net", "1x3x8x8 --loss sum --freeze *", "nothing is trained", ""),
    ("Net", "1x3x8x8 --symbol B=3", "no symbol 'B'", "Their symbols: none"),
    ("Net", "Bx3x8x8 --symbol C=3", "no symbol 'C'", "Their symbols: B"),
    ("Net", "1x3x2x2", "", "in layer 'block.0'"),
]


@pytest.mark.parametrize(("name", "inputs", "message", "hint"), COMMANDS)
def test_the_command_says_it_in_one_error(
    name: str, inputs: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["count", f"{__name__}:{name}", "--input", *inputs.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("nncost: error: ")
    assert message in shown.err
    assert hint in shown.err
    assert "Traceback" not in shown.err
    assert len(shown.err.splitlines()) <= 3


@pytest.mark.parametrize(("build", "inputs", "loss"), [(RaisesInside, (1, 4), None), (Backward, (1, 4), "sum")])
@pytest.mark.parametrize("times", [1, 2])
def test_the_models_own_exception_comes_through(build: Any, inputs: Any, loss: Any, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Stop) as raised:
            nncost.count(build(), inputs, loss=loss)
        assert raised.value is ERROR
        assert raised.value.args == ("the very one",)
        assert ERROR.__notes__ == [f"nncost: {ERROR.__nncost__}"]  # said once  # type: ignore[attr-defined]


def test_the_type_of_the_exception_is_pytorchs() -> None:
    with pytest.raises(RuntimeError, match="reduction dim") as raised:
        nncost.count(RaisesInside(), (1, 5))
    assert not isinstance(raised.value, NncostError)
    assert raised.value.__notes__ == ["nncost: in layer 'first' (Linear), which received 1x5 and takes …x4"]


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (nn.Linear(8, 8), "4x8:int64"),
        (nn.Linear(8, 8), "4x8:bfloat16"),
        (nn.Linear(8, 8, bias=False), "4x8:float64"),
        (nn.Conv2d(3, 4, 1), "1x3x8x8:float64"),
        (nn.Bilinear(3, 4, 5), ("2x3", "2x4:float64")),
        (nn.LSTM(4, 4), "5x4:float64"),
    ],
)  # fmt: skip
def test_a_type_that_pytorch_refuses_is_refused(module: nn.Module, inputs: Any) -> None:
    shapes = inputs if isinstance(inputs, tuple) else (inputs,)
    tensors = []
    for text in shapes:
        sizes, _, dtype = text.partition(":")
        tensors.append(torch.zeros(*map(int, sizes.split("x")), dtype=getattr(torch, dtype or "float32")))
    with pytest.raises((RuntimeError, ValueError)):
        module(*tensors)
    with pytest.raises((RuntimeError, ValueError)):
        nncost.count(module, inputs)


@pytest.mark.parametrize(
    ("inputs", "options", "expected", "fragment"),
    [
        (None, {}, SourceError, "counting a Linear needs its inputs"),
        (3, {}, OptionError, "inputs are shapes"),
        ((1, 0), {}, OptionError, "at least 1"),
        ("1x4:int65", {}, ShapeError, "unknown type"),
        ({"y": (1, 4)}, {}, SourceError, "does not take these inputs"),
        ((1, 4), {"loss": "sums"}, OptionError, "unknown loss 'sums'"),
        ((1, 4), {"loss": lambda output: output}, OptionError, "not a scalar tensor"),
        ((1, 4), {"loss": nn.CrossEntropyLoss()}, OptionError, "missing a required argument: 'target'"),
        ((1, 4), {"loss": nn.functional.mse_loss}, OptionError, "missing a required argument: 'target'"),
        ((1, 4), {"loss": lambda output: 3}, OptionError, "returned int"),
        ((1, 4), {"optimizer": "sgdd"}, OptionError, "unknown optimizer"),
        ((1, 4), {"optimizer": torch.optim.LBFGS}, OptionError, "no fixed cost"),
        ((1, 4), {"optimizer": 3}, OptionError, "unknown optimizer 3"),
        ((1, 4), {"symbols": {"B": 3}}, SymbolError, "no symbol 'B'"),
        ((1, 4), {"dtype": "float16"}, OptionError, "computes in float32, received dtype float16"),
        ((1, 4), {"bias": "none"}, OptionError, "applies to widths"),
        ((1, 4), {"activation": "relu"}, OptionError, "applies to widths"),
        ((1, 4), {"mode": "evil"}, OptionError, "Accepted: train, inference"),
        ((1, 4), {"backward": "twice"}, OptionError, "Accepted: auto, derived"),
    ],
)
def test_keywords_that_do_not_fit(inputs: Any, options: dict[str, Any], expected: type, fragment: str) -> None:
    with pytest.raises(expected) as raised:
        nncost.count(nn.Linear(4, 4), inputs, **options)
    assert fragment in str(raised.value)


def test_shapes_of_other_integers() -> None:
    import numpy as np

    for shape in (tuple(np.array([2, 4])), [2, 4], torch.Size([2, 4]), "2x4", ["2", 4], ((2, 4),), ["2x4"]):
        assert nncost.count(nn.Linear(4, 4), shape).forward.macs == 32


def test_a_module_without_inputs_needs_none() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(4, 5))

        def forward(self) -> torch.Tensor:
            return self.left @ self.right

    for inputs in (None, (), [], {}, nncost.Inputs()):
        assert nncost.count(Table(), inputs, loss="sum").backward.macs == 2 * 60


def test_interrupting_the_model() -> None:
    assert run(["count", f"{__name__}:Interrupted", "--input", "1x4"]) == 130


class Ends(nn.Module):
    """Ends the program instead of returning."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.layer, self.error = nn.Linear(4, 4), error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


def ends_well() -> nn.Module:
    return Ends(SystemExit(0))


def ends_otherwise() -> nn.Module:
    return Ends(GeneratorExit())


class SaysNothing(Exception):  # noqa: N818
    """Fails even to say what it is."""

    def __str__(self) -> str:
        raise ValueError


def ends_in_silence() -> nn.Module:
    return Ends(SaysNothing())


class Unfinished(nn.Module):
    """Its constructor forgets its base class."""

    def __init__(self) -> None:
        pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("ends_well", "the model ended the program with SystemExit."),
        ("ends_otherwise", "the model ended the program with GeneratorExit."),
        ("ends_in_silence", "the model raised SaysNothing"),
        ("Unfinished", "the model raised AttributeError"),
    ],
)
def test_a_model_that_ends_is_no_count(entry: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", f"{__name__}:{entry}", "--input", "1x4"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"nncost: error: {said}")


@pytest.mark.parametrize("shape", [(10**20, 4), (2**63 - 1, 4), (4 * 10**9, 4 * 10**9, 4)])
def test_an_input_that_no_tensor_can_be(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"is too large: tensors have fewer than 2\^63 bytes"):
        nncost.count(nn.Linear(4, 4), shape)


def test_the_whole_program_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef build():\n    return nn.Linear(4, 4)\n")
    command = [sys.executable, "-c", "from nncost.cli.main import main; main()", "count", "net.py:build"]
    done = subprocess.run([*command, "--input", "1x5"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "nncost: error: the model raised RuntimeError: a and b must have same reduction dim, but got [1, 5] X [4, 4].",
        "in the model's own forward (Linear), which received 1x5 and takes …x4",
    ]


class InThread(nn.Module):
    """A layer runs in another thread; ``pool`` is one that was there before."""

    def __init__(self, then: Any, pool: ThreadPoolExecutor | None = None) -> None:
        super().__init__()
        self.layer, self.then, self.pool = nn.Linear(4, 4, bias=False), then, pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            return self.then(self.pool.submit(self.layer, x).result())
        with ThreadPoolExecutor(1) as pool:
            return self.then(pool.submit(self.layer, x).result())


THEN = pytest.mark.parametrize("then", [lambda y: y, lambda y: y * 2], ids=["returned", "used"])


@THEN
@pytest.mark.parametrize("given", [(2, 4), torch.ones(2, 4)], ids=["shape", "tensor"])
def test_work_in_a_thread_that_the_model_starts_is_counted(then: Any, given: Any) -> None:
    assert nncost.count(InThread(then), given).forward.macs == 2 * 16
    report = nncost.count(InThread(then), given, loss="sum")
    assert report.step.macs == 2 * 2 * 16
    assert any("a gradient belongs to is not told" in note for note in report.notes)


@THEN
@pytest.mark.parametrize("given", [(2, 4), torch.ones(2, 4)], ids=["shape", "tensor"])
def test_work_in_a_thread_that_was_there_before_is_never_zero(then: Any, given: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(SourceError, match="whose operators are not seen"):
            nncost.count(InThread(then, pool), given)


def test_one_module_counted_in_several_threads() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: nncost.count(module, (6, 4), loss="sum").step.macs, range(8)))
    assert counts == [nncost.count(module, (6, 4), loss="sum").step.macs] * 8
    assert all(type(parameter) is nn.Parameter for parameter in module.parameters())
