"""Compiled steps: fused by hand, measured elsewhere, and refused where they have no use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError
from nncost.timing.compiled import fused
from nncost.timing.devices.profile_store import save_profile
from nncost.timing.row_cost import Work
from tests.timing.machines import made_up

LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 11008,
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip
COMPILED_TOKENS, EAGER_TOKENS = 104.9, 25.5
"""Tokens a second of Llama-2-7B in bfloat16 on an A100: pytorch-labs/gpt-fast@0f925b5 README.md, compiled and replayed as a
graph, and pytorch.org/blog/accelerating-generative-ai-2 for the same program before that (2023, power limited to 330 W)."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))


def work(part: str, *, contraction: int = 0, bytes_: int = 10, kernels: int = 1) -> Work:
    return Work("a", "layer", "forward", contraction, 5, bytes_, bytes_ // 2, kernels, min(contraction, 1), part=part)


def test_a_chain_is_one_kernel() -> None:
    product = work("dense", contraction=8)
    parts = [work("cast", bytes_=10), product, work("mul", bytes_=30), work("add", bytes_=20)]
    assert fused(parts)[0] == product
    (one,) = fused(parts)[1:]
    assert (one.kernels, one.bytes, one.other_flops, one.part) == (1, 30, 15, "")


def test_a_single_kernel_stays() -> None:
    parts = [work("dense", contraction=8), work("add")]
    assert fused(parts) == parts


@pytest.mark.parametrize("on", ["h100", "rtx4090", "mi300x", "m3-max", "raspberry-pi-5"])
def test_a_compiled_step_is_never_slower(on: str) -> None:
    for batch in (1, 4096):
        eager, compiled = (nncost.predict("784-512-512-10", on=on, batch=batch, compiled=way) for way in (False, True))
        for end in ("low", "value", "high"):
            assert getattr(compiled.seconds["step"], end) <= getattr(eager.seconds["step"], end)
    assert compiled.device["compiled"] is True
    assert eager.device["compiled"] is False


def test_a_tiny_compiled_network_waits_for_replays() -> None:
    eager, compiled = (nncost.predict("4-4", on="a100", loss="none", compiled=way) for way in (False, True))
    assert compiled.seconds["step"].value < eager.seconds["step"].value / 2


def test_one_token_of_a_language_model(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_2_7B))
    for compiled, tokens in ((True, COMPILED_TOKENS), (False, EAGER_TOKENS)):
        prediction = nncost.predict(
            str(path), inputs="1x1:int64", on="a100", dtype="bfloat16", compiled=compiled, loss="none"
        )
        forward = prediction.seconds["forward"]
        assert forward.low < 1 / tokens < forward.high, (compiled, forward)
        if compiled:
            assert forward.value == pytest.approx(1 / tokens, rel=0.15)


def test_a_page_says_that_it_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "784-16-16-10", "--on", "h100", "--compiled"]) == 0
    assert "sgd, compiled" in capsys.readouterr().out
    assert run(["predict", "784-16-16-10", "--on", "tpu-v5e", "--dtype", "bfloat16"]) == 0
    assert "sgd, compiled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([], "a compiled step is predicted for devices of the catalogue; this machine was calibrated"),
        (["--on", "this"], "a compiled step is predicted for devices of the catalogue; this machine was calibrated"),
        (["--on", "bench"], "a compiled step is predicted for devices of the catalogue; bench was calibrated"),
        (["--on", "tpu-v5e", "--dtype", "bfloat16"], "tpu-v5e runs compiled programs only"),
    ],
)
def test_refused_where_it_has_no_use(arguments: list[str], fragment: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_profile(replace(made_up(), name="bench"))
    assert run(["predict", "784-16-16-10", "--compiled", *arguments]) == 2
    said = capsys.readouterr().err
    assert fragment in said
    assert said.splitlines()[-1] == " ".join(["Try: nncost predict 784-16-16-10", *arguments]).strip()


def test_refused_for_what_is_no_truth() -> None:
    with pytest.raises(OptionError, match="compiled is True or False"):
        nncost.predict("784-10", on="h100", compiled="yes")  # type: ignore[arg-type]
