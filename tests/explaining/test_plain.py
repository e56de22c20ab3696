"""Terminal text: 80 columns, repeated blocks once, long networks short, numbers of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nncost.documents import latex, markdown, plain
from nncost.documents.page import PAGE
from nncost.units import abbreviated, grouped, ratio
from tests.explaining.explained import CNN, GPT, explained, result_of, sums

GOLDEN = Path(__file__).parent / "golden"
RENDERERS = {"txt": plain.render, "md": markdown.render, "tex": latex.render}
HUGE = "9" * 1000


def golden_text(ending: str) -> str:
    return RENDERERS[ending](explained("784-16-16-10", examples=60_000, epochs=10))


@pytest.mark.parametrize("ending", list(RENDERERS))
def test_golden(ending: str) -> None:
    expected = (GOLDEN / f"784-16-16-10.{ending}").read_text(encoding="utf-8")
    assert golden_text(ending) == expected, "write anew with: python -m tests.explaining.test_plain"


WIDE: list[tuple[str, dict[str, Any]]] = [
    ("784-16-16-10", {"batch": 64, "examples": 60_000, "optimizer": "adam"}),
    (CNN, {"batch": 32, "examples": "N"}),
    (GPT, {}),
    (GPT, {"batch": "B", "optimizer": "lion"}),
    ("h0-h1-...-hl", {"batch": "B"}),
    ("784-" + "512-" * 100 + "10", {}),
    (f"{HUGE}-{HUGE}-2", {}),
    ("20x30, lstm 40 bidirectional layers=2, dense 5", {"batch": 7}),
    ("-".join(str(width) for width in range(2, 60)), {}),
    ("very_long_input_width-very_long_hidden_width*very_long_depth-very_long_output_width", {"batch": "batch_size"}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "settings"), WIDE)
def test_eighty_columns(spec: str, settings: dict[str, Any]) -> None:
    from nncost.dims import symbol

    if isinstance(settings.get("examples"), str):
        settings = settings | {"examples": symbol(settings["examples"])}
    text = plain.render(explained(spec, **settings))
    assert max(len(line) for line in text.splitlines()) <= PAGE
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")


def test_long_networks_stay_short() -> None:
    explanation = explained("784-" + "512-" * 100 + "10", "backward.mul")
    ((_, work),) = sums(explanation)
    labels = [line.label for line in work.lines]
    assert "dense.2-100 ∂L/∂W ×99" in labels
    assert len(work.lines) <= 8
    assert len(plain.render(explanation).splitlines()) < 70


def test_repeated_blocks_stand_once() -> None:
    text = plain.render(explained(GPT, "forward.mul"))
    assert text.count("repeat.1.residual.2.dense.1") == 1
    assert "L × T·N·M = L × 128·768·3,072 = 301,989,888·L" in text
    assert "repeat.1.residual.1.attention.1.query" in text


def test_families_of_widths() -> None:
    text = plain.render(explained("h0-h1-...-hl", "forward.mul", batch="B"))
    assert "Σ[k=2…l] B·N·M = Σ[k=2…l] B·h[k−1]·h[k]" in text
    assert "B·Σ[k=1…l] h[k−1]·h[k]" in text


def test_symbols_of_the_source_may_share_a_letter_with_a_card() -> None:
    ((_, work),) = sums(explained("M-N-2", "forward.mul", batch="B"))
    assert [line.result.text for line in work.lines] == ["B·‘M’·‘N’", "2·B·‘N’"]
    assert "In quotes stand the sizes that the source itself names M and N" in plain.render(
        explained("M-N-2", "forward")
    )


def test_few_layers_stand_on_their_own() -> None:
    ((_, work),) = sums(explained("30-30-30", "forward.mul"))
    assert [(line.label, line.result.text) for line in work.lines] == [("dense.1", "900"), ("dense.2", "900")]


def test_the_first_layer_has_no_input_gradient() -> None:
    assert "dense.1 has no ∂L/∂x" in plain.render(explained("784-16-16-10", "backward"))
    repeated = plain.render(explained("4, [dense 4, relu]*3, dense 2", "backward"))
    assert "The first repeat.1.dense.1 has no ∂L/∂x" in repeated
    assert "has no ∂L/∂x" not in plain.render(explained("4, embedding 5 3, dense 2", "backward"))


def test_numbers_of_any_size() -> None:
    explanation = explained(f"{HUGE}-{HUGE}-2", "forward.mul")
    ((_, work),) = sums(explanation)
    nines = 10**1000 - 1
    assert result_of(work) == grouped(nines * nines + 2 * nines)
    text = plain.render(explanation)
    assert "999,999,999,9,…" not in text
    assert "(1,000 digits)" in text
    assert "(2,000 digits)" in text
    cube = explained(
        f"{HUGE}x{HUGE}, dense {HUGE}, dense {HUGE}, dense {HUGE}", "forward", batch=int(HUGE), loss="none"
    )
    assert "digits)" in plain.render(cube)
    assert markdown.render(cube)
    assert latex.render(cube).isascii()


def test_grouped_numbers() -> None:
    assert grouped(13_002) == "13,002"
    assert grouped(-1_000) == "−1,000"
    assert grouped(10**9000).replace(",", "") == "1" + "0" * 9000
    assert grouped(10**3000 + 7).startswith("1,000,000")
    assert grouped(10**3000 + 7).endswith("000,007")


def test_abbreviated_numbers() -> None:
    assert abbreviated("a 123,456 b") == "a 123,456 b"
    assert abbreviated(f"= {10**50:,};") == "= 100,000,000,…,000,000,000 (51 digits);"
    assert abbreviated(f"{10**36 - 1:,}") == f"{10**36 - 1:,}"


def test_ratios() -> None:
    assert ratio(13_460, 12_960) == "1.04"
    assert ratio(10**5000, 10**5000) == "1.00"


if __name__ == "__main__":
    for name in RENDERERS:
        (GOLDEN / f"784-16-16-10.{name}").write_text(golden_text(name), encoding="utf-8")
