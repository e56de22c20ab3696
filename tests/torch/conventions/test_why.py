"""``explain --why``: where the other number comes from, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from torch import nn

import nncost
from nncost.cli.main import commands
from nncost.counting.conventions import CONVENTIONS
from nncost.documents import markdown
from nncost.documents.document import Cell, Document, Number
from tests.torch.conventions.models import BY_NAME


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=True), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))


FVCORE = """\
Why fvcore differs

fvcore 0.1.5.post20221221 says 4,896 macs for the forward pass; nncost counts
4,608 macs, which are 9,672 flops as it counts them. The difference is to
nncost's macs. fvcore: what FlopCountAnalysis(module, inputs).total() of fvcore
0.1.5 says: products, with norms and some pooling on top.

layers        macs  flops  fvcore  difference  why
--------------------------------------------------------------------------------
Conv2d       3,888  7,776   3,888           0  the products; biases left out
BatchNorm2d      0    312     288        +288  a norm counted: 2 for each
                                               element, 5 in training
ReLU             0    144       0           0  silently 0: relu
Linear         720  1,440     720           0  the products; biases left out
--------------------------------------------------------------------------------
total        4,608  9,672   4,896        +288
"""


def test_a_worked_table() -> None:
    assert f"{nncost.explain(network().eval(), inputs=(1, 3, 8, 8), why='fvcore')}\n" == FVCORE


def rows_of(explanation: Document) -> list[tuple[Cell, ...]]:
    assert explanation.main is not None
    return list(explanation.main.all_rows)


def number(cell: Cell) -> float:
    return cell.value if isinstance(cell, Number) else int(cell)  # type: ignore[arg-type]


@pytest.mark.parametrize("tool", [name for name, convention in CONVENTIONS.items() if convention.tool])
@pytest.mark.parametrize("name", ["gpt2", "lstm", "resnet18"])
def test_rows_add_up_to_the_reports(tool: str, name: str) -> None:
    module, given = BY_NAME[name].build().eval(), BY_NAME[name].inputs()
    inputs = nncost.Inputs((), given) if isinstance(given, dict) else nncost.Inputs(tuple(given))
    *rows, total = rows_of(nncost.explain(module, inputs=inputs, why=tool))
    for column in range(1, 5):
        assert sum(number(row[column]) for row in rows) == number(total[column])
    assert number(total[1]) == nncost.count(module, inputs).forward.macs
    assert number(total[2]) == nncost.count(module, inputs).forward.flops
    assert number(total[3]) == nncost.count(module, inputs, convention=tool).forward.flops
    assert all(row[5] for row in rows)


def test_reasons_name_what_is_missed() -> None:
    module, given = BY_NAME["gpt2"].build().eval(), BY_NAME["gpt2"].inputs()
    rows = {row[0]: row[-1] for row in rows_of(nncost.explain(module, inputs=given, why="fvcore"))}
    assert rows["GPT2Attention ×2"] == "silently 0: scaled_dot_product_attention"
    rows = {row[0]: row[-1] for row in rows_of(nncost.explain(module, inputs=given, why="thop"))}
    assert rows["Conv1D ×8"] == "silently 0: no rule for its class"


def test_on_the_command_line(tmp_path: Path) -> None:
    config = {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 32, "n_positions": 16}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config | {"bos_token_id": 1, "eos_token_id": 1}))
    done = CliRunner().invoke(commands, ["explain", str(path), "--why", "deepspeed", "--markdown"])
    assert done.exit_code == 0, done.output
    assert "| layers | macs | flops | deepspeed | difference | why |" in done.output
    assert "| **total** |" in done.output


def test_rules_on_parameters_and_ledgers() -> None:
    text = str(nncost.explain("784-16-16-10", why="6nd"))
    assert "N = 13,002 parameters outside embedding layers, D = 1: 2·N·D forward." in text
    assert "25,920" in markdown.render(nncost.explain("784-16-16-10", why="torch"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"why": "fvcore"}, "this source is none"),
        ({"why": "nncost"}, "does not differ from itself"),
        ({"why": "gflops"}, "unknown convention 'gflops'"),
        ({"why": "6nd", "topic": "forward"}, "takes no topic"),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(nncost.NncostError, match=message):
        nncost.explain("784-16-16-10", **arguments)
