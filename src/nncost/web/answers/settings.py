"""Which settings a request of each answer has: the one table that checks requests and describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.errors import OptionError
from nncost.names import nearest, shortened
from nncost.records import record
from nncost.web.answers.kinds import BYTES, INPUTS, SIZE, SIZES, TEXT, TEXTS, TRUTH, WHOLE, Kind

SOURCE = "source"
MAX_SOURCE = 200_000
"""Characters of a spec: a thousand layers, each with its settings, take a fifth of them."""


@record
class Setting:
    """A setting: its kind of value, and what it does."""

    kind: Kind
    help: str
    required: bool = False


def _source(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OptionError(f"{name} takes a spec such as 784-16-10, or upload:TOKEN, received {shortened(repr(value))}.")
    if len(value) > MAX_SOURCE:
        raise OptionError(f"{name} has {len(value):,} characters; at most {MAX_SOURCE:,} are read here.")
    return value


TEXT_OF_SOURCE = Kind(
    f"a spec of at most {MAX_SOURCE:,} characters, or upload:TOKEN",
    _source,
    {"type": "string", "minLength": 1, "maxLength": MAX_SOURCE, "pattern": r"\S"},
)
_SOURCE = {
    SOURCE: Setting(
        TEXT_OF_SOURCE, "A spec such as 784-16-10, or upload:TOKEN of a file that was uploaded.", required=True
    )
}
_NETWORK: Mapping[str, Setting] = {
    "batch": Setting(SIZE, "Examples in a batch, or the name of a symbol."),
    "symbols": Setting(SIZES, "Sizes by name; a name without one stays a symbol."),
    "inputs": Setting(INPUTS, "Inputs of a file, as 1x3x224x224 or ids=1x128:int64."),
    "loss": Setting(TEXT, "The loss, or none."),
    "optimizer": Setting(TEXT, "The optimizer, or none."),
    "backward": Setting(TEXT, "auto or derived."),
    "mode": Setting(TEXT, "train or inference, for dropout and batch norm."),
    "examples": Setting(SIZE, "Training examples: adds the whole run."),
    "epochs": Setting(WHOLE, "Passes over the examples."),
    "accumulate": Setting(WHOLE, "Batches whose gradients are added before an update."),
    "freeze": Setting(TEXTS, "Paths or patterns of layers that are not trained."),
    "taps": Setting(TEXT, "dense counts products with padding, valid leaves them out."),
    "convention": Setting(TEXT, "What a flop is, such as torch or fvcore."),
    "dtype": Setting(TEXT, "Of parameters and activations, which decides the bytes."),
    "bias": Setting(TEXT, "Biases of widths such as 784-16-10: all, hidden or none."),
    "activation": Setting(TEXT, "Activation of widths such as 784-16-10."),
    "allocator": Setting(TEXT, "exact, or cuda for peaks in the blocks of PyTorch's caching allocator."),
}
"""The keywords of ``nncost.count`` that are data; those that are about running a module are none."""
SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "count": {
        **_SOURCE,
        **_NETWORK,
        "fits": Setting(BYTES, "Adds the largest batch whose step takes no more bytes, as 8GiB."),
    },
    "explain": {
        **_SOURCE,
        "topic": Setting(TEXT, "shapes, parameters, forward, …, or a quantity such as forward.mul; all without it."),
        "why": Setting(TEXT, "A convention whose number differs from nncost's: explains where."),
        "form": Setting(TEXT, "html (as it is without), markdown, latex or plain."),
        **_NETWORK,
    },
    "formula": {
        **_SOURCE,
        "quantity": Setting(TEXT, "A path such as parameters.total or forward.mul; the main ones without it."),
        "at": Setting(SIZES, "Sizes at which the value is wanted."),
        **_NETWORK,
    },
    "predict": {
        **_SOURCE,
        "on": Setting(TEXT, "A device of the catalogue, such as h100.", required=True),
        "compiled": Setting(TRUTH, "The step launched as one graph, with fused operations (true)."),
        **{name: setting for name, setting in _NETWORK.items() if name not in ("taps", "convention")},
    },
    "plot": {
        **_SOURCE,
        "kind": Setting(TEXT, "layers, tree, memory, roofline, growth, time, compare or network.", required=True),
        "form": Setting(TEXT, "svg (as it is without), html, a figure with a table, or json, Vega-Lite."),
        "theme": Setting(TEXT, "light or dark, of json; the others take that of the page."),
        "quantity": Setting(TEXTS, "Of layers, tree and growth: flops, parameters, forward.mul, …"),
        "on": Setting(TEXT, "Of roofline and time: a device of the catalogue, such as h100."),
        "over": Setting(TEXT, "Of growth: the symbol and its sizes, as h=16..4096."),
        "by": Setting(TEXT, "Of time: layer, phase or op."),
        "depth": Setting(WHOLE, "Of the tree: so many levels."),
        "top": Setting(WHOLE, "Of layers and time so many bars, of the text of roofline so many points."),
        **_NETWORK,
    },
    "calculator": {
        **_SOURCE,
        "formulas": Setting(TRUTH, "Formulas, too, from which a page computes while sizes change (true)."),
        **_NETWORK,
    },
    "devices": {},
}


def checked(name: str, request: Any) -> dict[str, Any]:
    """Return the settings of a request, each of its kind; null is a setting that is not given.

    Raise OptionError, with what is accepted, for anything else.
    """
    known = SETTINGS[name]
    if not isinstance(request, Mapping):
        raise OptionError(
            f"a request is an object with {', '.join(known) or 'nothing'}, received {type(request).__name__}."
        )
    for key in request:
        if key not in known:
            raise _unknown(name, str(key))
    for key, setting in known.items():
        if setting.required and request.get(key) is None:
            raise OptionError(f"{name} needs {key}: {setting.kind.accepted}.", hint=setting.help)
    return {key: setting.kind.read(key, request[key]) for key, setting in known.items() if request.get(key) is not None}


def _unknown(name: str, key: str) -> OptionError:
    known = SETTINGS[name]
    close = nearest(key, known)
    meant = "" if close is None else f"Did you mean {close!r}? "
    listed = f"Accepted: {', '.join(known)}." if known else "It has none."
    return OptionError(f"{name} has no setting {shortened(key)!r}.", hint=meant + listed)
