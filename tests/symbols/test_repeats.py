"""Where a formula's range begins, the report says so; counts hold from one step on."""

from __future__ import annotations

import pytest

import nncost
from nncost.counting.quantities import TRAFFIC
from nncost.dims import substitute, symbol


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("spec", ["Tx4, lstm 3", "Tx4, lstm 3 last", "Tx4, gru 3 bidirectional", "Tx4, rnn 3 last"])
def test_recurrent_formulas_from_the_first_step_on(spec: str, steps: int) -> None:
    formulas, numbers = nncost.count(spec, batch=2), nncost.count(spec, batch=2, symbols={"T": steps})
    assert any("hold from 2 steps on" in note for note in formulas.notes)
    assert numbers.notes == ()
    for phase, totals in numbers.totals.items():
        for name in {*totals, *formulas.totals[phase]} - set(TRAFFIC if steps == 1 else ()):
            assert substitute(formulas.totals[phase][name], {symbol("T"): steps}) == totals[name], (phase, name)
