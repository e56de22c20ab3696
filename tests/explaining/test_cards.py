"""Every card's formula, at the layer's numbers, is the ledger's row: exactly, on random sizes."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import is_dataclass
from typing import Any

import pytest
import sympy

from nncost.counting.quantities import TRAFFIC
from nncost.explaining.accounts import Accounts, accounts_of
from nncost.explaining.cards import READERS
from nncost.explaining.derivation import letters_of
from nncost.ir import layers
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.training.losses import LOSSES
from nncost.pipeline.count import Counted, count_source
from tests.explaining.explained import settings_of

TEMPLATES = [
    "{a}-{b}-{c}",
    "{a}, dense {b}, dense {c} bias=no",
    "{a}x{b}, dense {c}, dense {d}",
    "{a}, residual[dense {a}], dense {b}",
    "{a}x{n}x{m}, conv {b} 3, conv {c} 2x1 stride=2x1 pad=1 bias=no",
    "{a}x{n}, conv {b} 2 dilation=2, conv {c} 1",
    "4x{n}x{m}, conv 6 3 groups=2 pad=1, conv 6 2 groups=6 bias=no",
    "{a}x3x3, conv_transpose {b} 3 stride=2 pad=1 output_pad=1, conv_transpose {c} 2 bias=no",
    "4x3x3, conv_transpose 6 2 groups=2, conv_transpose 4 3 groups=2 bias=no",
    "{a}x{n}x{m}, conv {b} 1, maxpool 2, conv {c} 1, avgpool 2 stride=1 pad=1",
    "{a}x{n}x{m}, conv {b} 2, maxpool 3 stride=2 pad=1, global_avgpool, dense {c}",
    "{a}x{n}x{m}, conv {b} 2, global_maxpool, dense {c}",
    "{a}x{n}x{m}, conv {b} 1, batchnorm, relu, conv {c} 1, batchnorm",
    "{a}, dense {b}, batchnorm, dense {c}",
    "{a}x{b}, dense {c}, layernorm, dense {d}, rmsnorm",
    "{a}, dense {b}, layernorm, dense {c}, rmsnorm",
    "{a}x{n}x{m}, conv 6 1, groupnorm 3, conv {b} 1, instancenorm, conv {c} 1, instancenorm affine, lrn 3",
    "{a}, embedding {b} {c}, dense {d}",
    "{a}x6, attention heads=2, dense {b}",
    "{a}x6, attention heads=3 causal bias=no",
    "{a}x8, dense 8, attention heads=4 kv_heads=2 causal",
    "{a}, dense {b}, dropout 0.3, dense {c}, softmax",
    "{a}x{b}, dense {c}, softmax, dense {d}, log_softmax",
    "{a}x{b}, rnn {c}, lstm {d}, gru {c}",
    "{a}x{b}, gru {c} bidirectional biases=1, lstm {d} last",
    "{a}x{b}, lstm {c} bidirectional, rnn {d} biases=1 last",
    "{a}, [dense {a}, relu]*{n}, dense {b}",
    *(f"{{a}}, dense {{b}}, {name}, dense {{c}}" for name in ACTIVATIONS),
    *(f"{{a}}x{{n}}x{{m}}, conv {{b}} 1, {name}, conv {{c}} 1" for name in ("relu", "silu", "gelu", "selu")),
]


def spec_of(template: str, seed: int) -> str:
    rng = random.Random(f"{template} {seed}")
    small = {name: rng.randint(2, 7) for name in "abcd"} | {name: rng.randint(4, 8) for name in "nm"}
    return template.format(**small)


def assert_equal_to_ledger(accounts: Accounts, counted: Counted) -> None:
    said: dict[tuple[Any, ...], int] = defaultdict(int)
    for entry in accounts.entries:
        if entry.reading is not None:
            values = dict(zip(letters_of(entry.reading.card), entry.reading.values, strict=True))
            for quantity, formula in entry.formulas.items():
                amount = sympy.sympify(formula).subs(values, simultaneous=True) * entry.times
                said[(*entry.place, quantity)] += int(amount)
    rows: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in counted.ledger.rows:
        if row.quantity not in TRAFFIC and row.phase != "update":
            rows[row.path, row.op, row.phase, row.quantity] += row.amount
    assert {key: amount for key, amount in said.items() if amount} == dict(rows)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("template", TEMPLATES)
def test_card_is_the_ledgers_row(template: str, seed: int) -> None:
    settings = settings_of(batch=random.Random(seed).randint(1, 3))
    counted = count_source(spec_of(template, seed), settings)
    accounts = accounts_of(counted, valid_taps=False)
    assert not [entry.place for entry in accounts.entries if entry.reading is None and entry.place[2] != "update"]
    assert_equal_to_ledger(accounts, counted)


@pytest.mark.parametrize("template", TEMPLATES)
def test_forward_alone(template: str) -> None:
    counted = count_source(spec_of(template, 3), settings_of(batch=2, loss="none"))
    accounts = accounts_of(counted, valid_taps=False)
    assert all(entry.reading is not None for entry in accounts.entries)
    assert_equal_to_ledger(accounts, counted)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("spec", ["3-4-3", "3, dense 4, softmax", "2x3, dense 4, sigmoid"])
def test_losses(spec: str, loss: str) -> None:
    counted = count_source(spec, settings_of(batch=2, loss=loss))
    accounts = accounts_of(counted, valid_taps=False)
    assert all(entry.reading is not None for entry in accounts.of("loss"))
    assert_equal_to_ledger(accounts, counted)


@pytest.mark.parametrize("freeze", [("dense.1",), ("dense.2.bias",), ("dense.1.weight", "dense.3"), ("dense.2",)])
def test_frozen_layers(freeze: tuple[str, ...]) -> None:
    counted = count_source("5-4-6-3", settings_of(batch=3, freeze=freeze))
    accounts = accounts_of(counted, valid_taps=False)
    assert all(entry.reading is not None for entry in accounts.of("backward"))
    assert_equal_to_ledger(accounts, counted)


def test_a_card_for_every_kind_of_layer() -> None:
    kinds = {value for value in vars(layers).values() if is_dataclass(value)}
    inner = {layers.Normalise, layers.Update}
    assert kinds - set(READERS) == inner | {layers.AdaptivePool}


def test_without_a_card_the_ledgers_numbers_stand() -> None:
    counted = count_source("2x5x4, conv 2 1, adaptive_avgpool 3x2", settings_of(batch=2))
    accounts = accounts_of(counted, valid_taps=False)
    plain = [entry for entry in accounts.of("forward") if entry.reading is None]
    assert [entry.place[1] for entry in plain] == ["adaptive_avgpool"]
    assert accounts.of("forward", "add")
    assert sum(e.total("add") for e in accounts.of("forward")) == counted.ledger.amount("add", "forward")


def test_valid_taps_are_not_given_a_dense_formula() -> None:
    counted = count_source("1x5x5, conv 2 3 pad=1", settings_of(taps="valid"))
    accounts = accounts_of(counted, valid_taps=True)
    (entry,) = accounts.of("forward", "mul")
    assert entry.reading is None
    assert entry.total("mul") == counted.ledger.amount("mul", "forward") == 2 * 13**2
