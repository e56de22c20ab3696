"""Repetition is notation: ``[…]*N`` counts exactly what N written-out blocks count, bytes included."""

from __future__ import annotations

import pytest

import nncost
from tests.symbols.substitution import amounts, at

GPT_BLOCK = "residual[layernorm, attention heads=12 causal], residual[layernorm, dense 3072, gelu, dense 768]"
GPT = "128, embedding 50257 768, {}, layernorm, dense 50257 bias=no"


def test_gpt_with_open_depth() -> None:
    symbolic = nncost.count(GPT.format(f"[{GPT_BLOCK}]*L"))
    names = {
        str(s)
        for phase in symbolic.totals.values()
        for amount in phase.values()
        for s in getattr(amount, "free_symbols", ())
    }
    assert names == {"L"}
    twelve = amounts(nncost.count(GPT.format(f"[{GPT_BLOCK}]*L"), symbols={"L": 12}))
    assert {key: at(amount, {"L": 12}) for key, amount in amounts(symbolic).items()} == twelve
    assert twelve == amounts(nncost.count(GPT.format(", ".join([GPT_BLOCK] * 12))))
    # 12 blocks of 7,087,872, two embeddings of 50257·768 and the last norm: GPT-2's size without positions and tying.
    assert twelve["parameters", "total"] == 12 * 7_087_872 + 2 * 50_257 * 768 + 2 * 768


CASES = [
    ("3x4", "dense 4, tanh"),
    ("4", "dropout 0.5, dense 4, softmax, elu"),
    ("4", "mish"),
    ("3x4", "residual[layernorm, attention heads=2 causal]"),
    ("3x4", "residual[rmsnorm, dense 6, silu, dense 4]"),
    ("3x4", "residual[lstm 4]"),
    ("3x4", "gru 2 bidirectional"),
    ("3x4", "rnn 4 layers=2"),
    ("4x5x5", "residual[conv 4 3 pad=1, batchnorm, relu]"),
    ("4x5x5", "conv 4 3 groups=2 pad=1, maxpool 3 stride=1 pad=1, leaky_relu"),
    ("4x9", "conv_transpose 4 3 pad=1, gelu"),
    ("4x6x6", "lrn 3, groupnorm 2, instancenorm, avgpool 3 stride=1 pad=1"),
    ("4x5x5", "conv 4 2 pad=1, adaptive_avgpool 5"),
]


@pytest.mark.parametrize("times", [2, 3, 5])
@pytest.mark.parametrize(("shape", "block"), CASES, ids=[block for _, block in CASES])
@pytest.mark.parametrize("loss", ["squared_error", "none"])
def test_repeated_equals_written_out(shape: str, block: str, times: int, loss: str) -> None:
    """First on the input, which needs no gradient, then behind a layer that does."""
    first = "dense 4" if "x" not in shape or shape == "3x4" else f"conv {shape[0]} 1"
    for before in ("", f"{first}, "):
        repeated = nncost.count(f"{shape}, {before}[{block}]*{times}, dense 2", batch=2, loss=loss)
        written = nncost.count(f"{shape}, {before}{', '.join([block] * times)}, dense 2", batch=2, loss=loss)
        ours, theirs = amounts(repeated), amounts(written)
        assert ours == theirs, {
            key: (ours.get(key), theirs.get(key)) for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)
        }


@pytest.mark.parametrize("depth", [2, 3, 7])
def test_repeated_width_equals_written_out(depth: int) -> None:
    for loss in ("squared_error", "none"):
        repeated = amounts(nncost.count(f"20-h*{depth}-10", symbols={"h": 16}, batch=4, loss=loss))
        assert repeated == amounts(nncost.count("-".join(["20", *["16"] * depth, "10"]), batch=4, loss=loss))


def test_nested_repeats_equal_written_out() -> None:
    inner = "dense 3, tanh"
    repeated = nncost.count(f"4, dense 4, [dense 3, [{inner}]*3, dense 4]*2, dense 2", batch=2)
    written = nncost.count(
        f"4, dense 4, {', '.join([f'dense 3, {inner}, {inner}, {inner}, dense 4'] * 2)}, dense 2", batch=2
    )
    assert amounts(repeated) == amounts(written)
