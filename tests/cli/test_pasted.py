"""Every command that help and documents show, typed into a folder with the files that they name, does what it says."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import webbrowser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import gguf
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nncost.timing.calibration.calibrate
import nncost.web.server.run
from nncost.cli.main import _COMMANDS, EXAMPLES, run
from nncost.explaining.time import instructions as time_instructions
from nncost.timing.devices.profile_store import save_profile
from nncost.timing.what_helps import try_out
from tests.onnx.models import make_model, node, saved
from tests.timing.machines import made_up
from tests.weights.writers import gguf_file, safetensors

ROOT = Path(__file__).parents[2]
MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(100, 8), nn.Linear(8, 3)

    def forward(self, ids, mask):
        return self.head(self.table(ids) * mask.unsqueeze(-1))

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""


def commands() -> list[str]:
    """The lines of help and of the documents' blocks that begin with nncost, remarks and filters apart."""
    texts = [EXAMPLES, *(import_module(f"nncost.cli.{name}").HELP for name in _COMMANDS)]
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        texts += re.findall(r"```(?:sh|text)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    lines = (line.strip() for text in texts for line in text.replace("\\\n", "").splitlines())
    shown = [re.split(r" {2,}| # | \| ", line)[0] for line in lines if re.match(r"nncost [a-z]+( |$)", line)]
    return list(dict.fromkeys(line for line in shown if line.split()[1] in _COMMANDS))


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with every file that the commands name; this machine is calibrated."""
    found = tmp_path_factory.mktemp("pasted")
    for name in ("net.py", "package/module.py"):
        (found / name).parent.mkdir(exist_ok=True)
        (found / name).write_text(MODULE, encoding="utf-8")
    (found / "gpt2").mkdir()
    small = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": 1,
        "n_embd": 48,
        "n_head": 2,
        "n_positions": 2048,
    }
    for name in ("config.json", "gpt2/config.json"):
        (found / name).write_text(json.dumps(small), encoding="utf-8")
    saved(make_model([node("Gemm", "x w")], {"x": (1, 3)}, constants={"w": np.zeros((3, 4))}), found)
    safetensors(found)
    gguf_file(found, "model-Q4_K_M.gguf", layer=gguf.GGMLQuantizationType.Q4_K)
    safetensors(found, name="model-00001-of-00002.safetensors")
    shutil.copytree(ROOT / "examples", found / "examples")
    shutil.copy(ROOT / "examples" / "digits.csv", found)
    _tables(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        patch.syspath_prepend(str(found))
        patch.setenv("NNCOST_CACHE", str(found / "cache"))
        save_profile(made_up())
        run(
            ["train", "64-64:relu-10", "--data", "digits.csv", "--target", "digit", "--epochs", "1", "--save", "digits"]
        )
        shutil.copytree(found / "digits", found / "started")
        patch.setattr(time_instructions, "TOOL", "no valgrind: it takes half a minute")
        patch.setattr(try_out, "SECONDS", 1.0)
        patch.setattr(
            nncost.timing.calibration.calibrate, "calibrate", lambda progress, fresh: (made_up(), Path("profile.json"))
        )
        # A server runs until it is interrupted: tests/web does that.
        patch.setattr(nncost.web.server.run, "serve", lambda host, port, limits, ready: ready(f"http://{host}:{port}/"))
        patch.setattr(webbrowser, "open", lambda address: True)
        yield found


def _tables(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{m},1024,{n},float16,{1e-5 + m * n * 1e-11}" for m in (1, 64, 256, 1024) for n in (512, 1024, 4096)]
    (folder / "times.csv").write_text("\n".join(["m,k,n,dtype,seconds", *rows]), encoding="utf-8")
    with (folder / "houses.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *(f"x{number}" for number in range(13)), "price"])
        writer.writerows([number, *rng.normal(size=13), rng.normal()] for number in range(200))
    columns = {f"x{number}": rng.normal(size=150) for number in range(4)}
    pq.write_table(pa.table({**columns, "species": ["a", "b", "c"] * 50}), folder / "iris.parquet")


@pytest.mark.parametrize("command", commands())
def test_works_as_it_is_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, *arguments = shlex.split(command)
    shutil.rmtree("digits", ignore_errors=True)
    if "--resume" in arguments:
        shutil.copytree("started", "digits")
    code = run(arguments)
    out, err = capsys.readouterr()
    assert (code, "nncost: error" in err) == (0, False), err
    assert out or err


def test_there_are_many() -> None:
    assert len(commands()) > 60
    assert {line.split()[1] for line in commands()} == set(_COMMANDS)
