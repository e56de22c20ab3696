"""The settings of a training, checked at the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from numbers import Real
from typing import Any

from nncost.errors import OptionError
from nncost.frontends.arguments import whole
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.names import meant
from nncost.pipeline.choices import check_choice, chosen
from nncost.records import record

ENGINES = ("auto", "torch", "numpy")
DTYPES = ("float32", "float64")
TRAINED_LOSSES = tuple(name for name, loss in LOSSES.items() if loss.target != "nothing")
TEST_SHARE, STOPPING_SHARE = 0.2, 0.1
"""Shares of the rows: for the test, and for deciding when to stop if patience is given."""


@record
class TrainingSettings:
    """See ``nncost.train``; every value is checked and complete except the loss, which the task decides."""

    target: str | None = None
    task: str | None = None
    ignore: tuple[str, ...] = ()
    epochs: int = 10
    batch: int = 32
    optimizer: str = "adam"
    learning_rate: float = OPTIMIZERS["adam"].learning_rate
    loss: str | None = None
    seed: int = 0
    test_share: float = TEST_SHARE
    validation_share: float = 0.0
    patience: int | None = None
    engine: str = "auto"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "ignore": list(self.ignore)}


def training_settings(
    *,
    epochs: Any = 10,
    batch: Any = 32,
    optimizer: Any = "adam",
    learning_rate: Any = None,
    loss: Any = None,
    seed: Any = 0,
    test_share: Any = TEST_SHARE,
    validation_share: Any = None,
    patience: Any = None,
    engine: Any = "auto",
    ignore: str | Sequence[str] = (),
    target: Any = None,
    task: Any = None,
) -> TrainingSettings:
    """The settings behind the keywords of ``nncost.train``. Raise OptionError for a value that is not accepted."""
    optimizer, loss = chosen("optimizer", optimizer), chosen("loss", loss)
    engine = (
        meant(engine, ENGINES, {"pytorch": "torch", "np": "numpy"}) or engine if isinstance(engine, str) else engine
    )
    for name, value, accepted in (
        ("optimizer", optimizer, tuple(OPTIMIZERS)), ("engine", engine, ENGINES), ("loss", loss, TRAINED_LOSSES),
    ):  # fmt: skip
        check_choice(name, value, accepted)
    share = (0.0 if patience is None else STOPPING_SHARE) if validation_share is None else validation_share
    if patience is not None and not share:
        raise OptionError(
            "patience watches the validation loss and needs rows for it, received validation_share 0.",
            hint="For example: --validation-share 0.1",
        )
    rate = OPTIMIZERS[optimizer].learning_rate if learning_rate is None else _number("learning_rate", learning_rate)
    if not 0 < rate < math.inf:
        raise OptionError(f"learning_rate is a number above 0, received {learning_rate!r}")
    return TrainingSettings(
        target=None if target is None else str(target), task=task,
        ignore=(ignore,) if isinstance(ignore, str) else tuple(str(name) for name in ignore),
        epochs=_whole("epochs", epochs), batch=_whole("batch", batch), optimizer=optimizer, learning_rate=rate,
        loss=loss, seed=_whole("seed", seed, least=0), test_share=_number("test_share", test_share),
        validation_share=_number("validation_share", share),
        patience=None if patience is None else _whole("patience", patience), engine=engine,
    )  # fmt: skip


_whole = partial(whole, below=2**63)  # what a checkpoint can hold


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise OptionError(f"{name} must be a number, received {value!r}")
    return float(value)
