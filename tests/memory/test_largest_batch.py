"""The largest batch that fits: the answer does, one more does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nncost
from nncost.pipeline.largest_batch import largest_batch
from nncost.units import bytes_of

SPECS = [
    ("784-16-16-10", {}, "1MiB"),
    ("784-512-10", {"optimizer": "adam"}, "64 MB"),
    ("784-128*6-10", {"loss": "none"}, "10MiB"),
    ("3x32x32, conv 16 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10", {}, "100 MiB"),
    ("16, embedding 50 8, [residual[layernorm, attention heads=2 causal]]*4, dense 50", {"optimizer": "adamw"}, "20MB"),
    ("784-16-16-10", {"allocator": "cuda"}, "3MiB"),
]


@pytest.mark.parametrize(("spec", "settings", "size"), SPECS)
def test_the_answer_fits_and_one_more_does_not(spec: str, settings: dict, size: str) -> None:
    fit = nncost.count(spec, fits=size, **settings).memory.fits
    assert fit is not None
    assert fit.bytes == bytes_of("fits", size)
    assert fit.peak == nncost.count(spec, batch=fit.batch, **settings).memory.step_peak <= fit.bytes
    assert nncost.count(spec, batch=fit.batch + 1, **settings).memory.step_peak > fit.bytes


def test_a_module_is_counted_at_few_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    module = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 5))
    settings = {"loss": "cross_entropy", "optimizer": "adam"}
    for allocator in ("exact", "cuda"):
        fit = nncost.count(module, (1, 20), fits="1MiB", allocator=allocator, **settings).memory.fits
        assert fit is not None
        peaks = [
            nncost.count(module, (batch, 20), allocator=allocator, **settings).memory.step_peak
            for batch in (fit.batch, fit.batch + 1)
        ]
        assert fit.peak == peaks[0] <= 2**20 < peaks[1]


def test_nothing_fits() -> None:
    fit = nncost.count("784-16-16-10", fits=1_000).memory.fits
    assert fit is not None
    assert (fit.batch, fit.peak) == (0, 107_260)


def test_sizes_but_the_batch_must_be_numbers() -> None:
    with pytest.raises(nncost.NncostError, match="h is a symbol"):
        nncost.count("784-h-10", fits="8GiB")
    assert nncost.count("784-h-10", symbols={"h": 16}, batch="B", fits="1MiB").memory.fits is not None


def test_a_graph_has_its_batch() -> None:
    from tests.symbols.test_graphs import tied_autoencoder

    with pytest.raises(nncost.NncostError, match="cannot choose the batch of this source: it stays 2"):
        nncost.count(tied_autoencoder(2, 8, 3), fits="8GiB")


def test_a_peak_must_be_known() -> None:
    with pytest.raises(nncost.NncostError, match="not known here"):
        nncost.count("h0-h1-...-hl", fits="8GiB")


lines = st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 10**6)), min_size=1, max_size=5)


@given(lines, st.integers(1, 10**9))
def test_any_bent_line(lines: list[tuple[int, int]], limit: int) -> None:
    looked: list[int] = []

    def peak(batch: int) -> int:
        looked.append(batch)
        return max(slope * batch + start for slope, start in lines)

    answer = largest_batch(peak, limit)
    calls = len(looked)
    assert answer == 0 or peak(answer) <= limit
    assert peak(answer + 1) > limit
    assert calls <= 40
    assert {answer, answer + 1} - {0} <= set(looked)


def test_a_line_is_solved_by_few_looks() -> None:
    looked: list[int] = []

    def peak(batch: int) -> int:
        looked.append(batch)
        return 12_345 * batch + 6_789

    assert largest_batch(peak, 8 * 2**30) == (8 * 2**30 - 6_789) // 12_345
    assert len(looked) <= 5


def test_a_peak_that_does_not_grow() -> None:
    with pytest.raises(nncost.NncostError, match="does not grow"):
        largest_batch(lambda batch: 100, 1_000)


@pytest.mark.parametrize(
    ("text", "number"),
    [("8GiB", 8 * 2**30), ("8 GB", 8 * 10**9), ("1.5 MiB", 3 * 2**19), ("500", 500), ("2k", 2_000), ("1TiB", 2**40), (7, 7)],
)  # fmt: skip
def test_sizes_in_words(text: str | int, number: int) -> None:
    assert bytes_of("fits", text) == number


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "0", "8 XB", "8iB", "1e9", "nan", 0, -4, True, 1.5, None, "٣", "9" * 50]
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(nncost.NncostError, match="fits takes a number of bytes"):
        bytes_of("fits", text)
