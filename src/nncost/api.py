"""The public functions: ``count``, ``explain`` and ``formula``, each with a command-line twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from nncost.errors import OptionError
from nncost.frontends.model import BiasChoice, LoadOptions
from nncost.pipeline import Settings, bound, report_on
from nncost.report import Report

if TYPE_CHECKING:
    from nncost.dims import Shape
    from nncost.ir.graph import Graph


def count(
    source: str | Graph,
    inputs: Any = None,
    *,
    batch: int | str | None = None,
    symbols: Mapping[str, int] | None = None,
    loss: str | None = None,
    optimizer: str | None = None,
    backward: str = "auto",
    mode: str | None = None,
    examples: int | str | None = None,
    epochs: int = 1,
    accumulate: int = 1,
    freeze: Sequence[str] = (),
    taps: str = "dense",
    convention: str | None = None,
    dtype: str | None = None,
    bias: str = "all",
    activation: str = "sigmoid",
) -> Report:
    """Count everything a network computes, exactly.

    ``source`` is a spec such as ``"784-16-16-10"``, the path of an ``.onnx`` or ``.nncost`` file, or a
    Graph. ``inputs`` are shapes: a tuple for the only input, or a dict by name. ``batch`` and
    ``examples`` are numbers or names of symbols; ``symbols`` bind names to numbers. ``loss`` and
    ``optimizer`` are names (``"none"`` leaves them out); ``accumulate`` micro-batches of ``batch``
    examples make one step; ``freeze`` takes layer paths or patterns. ``dtype`` is the type of
    parameters and activations.

    Raises an NncostError for anything that does not fit.
    """
    load = LoadOptions(
        batch=bound(batch, symbols or {}),
        symbols=_bindings(symbols),
        inputs=_shapes(inputs),
        dtype=dtype or "float32",
        bias=cast("BiasChoice", bias),
        activation=activation,
    )
    settings = Settings(
        loss=loss, optimizer=optimizer, backward=backward, mode=mode, examples=bound(examples, symbols or {}),
        epochs=epochs, accumulate=accumulate, freeze=tuple(freeze), taps=taps, convention=convention or "nncost",
        load=load,
    )  # fmt: skip
    return report_on(source, settings)


def _bindings(symbols: Mapping[str, int] | None) -> dict[str, int]:
    for name, value in (symbols or {}).items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"the symbol {name} must be a whole number of at least 1, received {value!r}")
    return dict(symbols or {})


def _shapes(inputs: Any) -> dict[str, Shape]:
    if inputs is None:
        return {}
    if isinstance(inputs, Mapping):
        return {name: _shape(value) for name, value in inputs.items()}
    return {"": _shape(inputs)}


def _shape(value: Any) -> Shape:
    shape = getattr(value, "shape", value)
    try:
        return tuple(bound(dim, {}) if isinstance(dim, str) else int(dim) for dim in shape)  # type: ignore[misc]
    except (TypeError, ValueError):
        raise OptionError(f"inputs are shapes such as (1, 3, 224, 224), received {value!r}") from None
