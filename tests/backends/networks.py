"""The specs that every test of modules and of written files walks: all layers, all activations."""

from __future__ import annotations

from nncost.ir.library.activations import ACTIVATIONS
from tests.layer_examples import EXAMPLES
from tests.numbers.networks import NETWORKS

SPECS = [
    *(spec for spec, _ in NETWORKS),
    *(f"4, dense 6, {name}, dense 3" for name in ACTIVATIONS),
    "6x5x5, conv 6 1, lrn 4",
    "2x4, instancenorm, conv 2 1",
    "3x4, [tanh, sigmoid]*5, dense 2",
    "3-4:softmax-2:log_softmax",
    "2x9x9, maxpool 3 pad=same stride=2, avgpool 4 pad=same",
]
_WRITTEN = set(" ".join(SPECS).replace("[", " ").replace(",", " ").split())
SPECS += [spec for name, specs in EXAMPLES.items() if name not in _WRITTEN for spec in specs]
