"""The page writes numbers as nncost does everywhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nncost.units import bytes_text, compact, grouped, seconds_text
from tests.web.page.node import needs_node, run

pytestmark = needs_node
SCRIPT = """
import { bytes, compact, difference, exact, seconds, typed } from "./modules/numbers.js";
import { parsed } from "./modules/wire.js";
const result = {
  exact: given.amounts.map((text) => exact(BigInt(text))), compact: given.amounts.map((text) => compact(BigInt(text))),
  bytes: given.amounts.map((text) => bytes(BigInt(text))), seconds: given.seconds.map(seconds),
  differences: given.pairs.map(([amount, first]) => difference(BigInt(amount), BigInt(first))), typed: given.typed.map(typed),
  wire: given.wire.map(parsed),
};
"""
PAIRS = {
    (13_002, 13_002): "=", (26_005, 13_002): "× 2.00", (14_302, 13_002): "+10.0 %", (12_000, 13_002): "−7.7 %", (5, 10): "−50.0 %",
    (1, 1000): "÷ 1,000", (10**30, 1): "× 1.0e30", (0, 5): "none", (5, 0): "new", (30, 10): "× 3.00", (123_456, 10_000): "× 12.3",
}  # fmt: skip
TYPED = {
    "16": "16", " 60,000 ": "60000", "4k": "4000", "1e6": "1000000", "2M": "2000000", "0": None, "-3": None, "1.5": None, "": None,
    "many": None, "9" * 1001: None, "1e999": "1" + "0" * 999, "1e1000": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str | None]]:
    folder: Path = tmp_path_factory.mktemp("node")
    given = {
        "amounts": [str(amount) for amount in amounts()], "seconds": SECONDS, "pairs": [[str(a), str(b)] for a, b in PAIRS],
        "typed": list(TYPED), "wire": ['{"a": 12345678901234567890, "b": [0.5, -123456789012345678, 7], "c": "12345678901234567890 \\" 5"}'],
    }  # fmt: skip
    return dict(run(SCRIPT, given, folder))


SECONDS = [1e-9, 4.52e-8, 2.112e-4, 0.0015, 0.99951, 1.0, 59.4, 119.0]


def amounts() -> list[int]:
    rng = random.Random(2)
    edges = [
        0,
        1,
        999,
        1_000,
        99_949,
        99_999,
        100_000,
        999_949,
        999_950,
        10**6,
        10**9 - 1,
        10**18,
        999_949_999,
        99_995_000,
    ]
    return [
        *edges,
        *(rng.randrange(10 ** rng.randrange(1, 28)) for _ in range(300)),
        *(10**n - 1 for n in range(1, 40)),
    ]


def test_amounts(found: dict[str, list[str]]) -> None:
    assert found["compact"] == [compact(amount) for amount in amounts()]
    shown = [(text, amount) for text, amount in zip(found["exact"], amounts(), strict=True) if amount < 10**30]
    assert [text for text, _ in shown] == [grouped(amount) for _, amount in shown]
    sizes = [(text, amount) for text, amount in zip(found["bytes"], amounts(), strict=True) if 1_000 <= amount < 10**17]
    assert [text for text, _ in sizes] == [bytes_text(amount) for _, amount in sizes]


def test_seconds(found: dict[str, list[str]]) -> None:
    assert found["seconds"] == [seconds_text(seconds) for seconds in SECONDS]


def test_differences(found: dict[str, list[str]]) -> None:
    assert dict(zip(PAIRS, found["differences"], strict=True)) == PAIRS


def test_what_people_type(found: dict[str, list[str | None]]) -> None:
    assert dict(zip(TYPED, found["typed"], strict=True)) == TYPED


def test_integers_arrive_whole(found: dict[str, list[object]]) -> None:
    assert found["wire"] == [
        {"a": "12345678901234567890", "b": [0.5, "-123456789012345678", 7], "c": '12345678901234567890 " 5'}
    ]
