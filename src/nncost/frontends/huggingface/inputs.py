"""The arguments a model is called with: those given, and a default for each that it cannot do without."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, shape_text, substitute, symbol
from nncost.errors import OptionError, SourceError, SymbolError
from nncost.frontends.huggingface.defaults import context_length, default_sizes
from nncost.frontends.huggingface.names import accepted_inputs, dtype_of, full_name
from nncost.frontends.model import Inputs, LoadOptions, TensorShape

REPLACES = {"input_ids": ("inputs_embeds",), "decoder_input_ids": ("decoder_inputs_embeds", "labels")}
"""An input of the right makes the one of the left unnecessary."""


def inputs_of(module: Any, options: LoadOptions) -> tuple[Inputs, tuple[str, ...]]:
    """The arguments and notes on them.

    ``options.inputs`` are shapes by name, short name or without one for the main input;
    ``options.batch`` replaces the first axis of each. Raises OptionError for an input that the
    model does not have or of the wrong rank, SourceError where a shape must be given.
    """
    accepted, main = accepted_inputs(module), _main_input(module)
    if main not in accepted:
        raise _unknown_shape(main, module, accepted)
    if options.given is not None:
        named = {full_name(name, main, accepted): value for name, value in options.given.kwargs.items()}
        return Inputs(options.given.args, named | _switches(module)), ()
    defaults = {name: _default(name, module, main) for name in _needed(module, main, accepted)}
    shapes = _given(options, main, accepted, {name: len(sizes) + 1 for name, sizes in defaults.items() if sizes})
    batch = _batch(shapes, options)
    notes = list(_remarks(shapes, module))
    for name, sizes in defaults.items():
        if name in shapes or any(other in shapes for other in REPLACES.get(name, ())):
            continue
        if sizes is None:
            raise _unknown_shape(name, module, accepted)
        shapes[name] = (batch, *sizes)
        notes.append(f"Input {name}: {shape_text(shapes[name])} by default; --input {name}=… gives another.")
    tensors = {n: TensorShape(shapes[n], dtype_of(n, options.dtype)) for n in accepted if n in shapes}
    return Inputs(kwargs=tensors | _switches(module)), tuple(notes)


def _main_input(module: Any) -> str:
    main = module.main_input_name
    return str(main[0] if isinstance(main, (list, tuple)) else main)


def _needed(module: Any, main: str, accepted: Iterable[str]) -> list[str]:
    """The main input, those without a default value, a decoder's, and both sides of a contrastive model."""
    parameters = inspect.signature(module.forward).parameters
    contrastive = any(name.startswith("logit_scale") for name, _ in module.named_parameters(recurse=False))
    sides = ("input_ids", "pixel_values", "input_features") if contrastive else ()
    decoder = ("decoder_input_ids",) if module.config.is_encoder_decoder else ()
    return [
        name
        for name in accepted
        if name == main or name in (*sides, *decoder) or parameters[name].default is inspect.Parameter.empty
    ]


def _default(name: str, module: Any, main: str) -> tuple[int, ...] | None:
    from transformers.models.auto import modeling_auto

    videos = getattr(modeling_auto, "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES", {})
    config = module.config
    sizes = default_sizes(name, config, video=config.model_type in videos, generates=main != "input_ids")
    if sizes is not None and name == "input_ids":
        return (min(sizes[0], (context_length(config) or sizes[0]) - _unused_positions(module)),)
    return sizes


def _unused_positions(module: Any) -> int:
    """Rows of the position table that no token has: RoBERTa's family begins behind the padding token."""
    import torch

    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, torch.nn.Embedding) and part.padding_idx:
            return part.padding_idx + 1
    return 0


def _given(options: LoadOptions, main: str, accepted: list[str], ranks: Mapping[str, int]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for given, shape in options.inputs.items():
        name = full_name(given, main, accepted)
        if name in shapes:
            raise OptionError(f"the input {name} is given twice.")
        if len(shape) != ranks.get(name, len(shape)):
            raise OptionError(
                f"the input {name} has {ranks[name]} sizes, received {shape_text(shape)}.",
                hint=_example(name, ranks[name]),
            )
        if any(not is_symbolic(dim) and dim < 1 for dim in shape):
            raise OptionError(f"sizes are at least 1, received {shape_text(shape)}.")
        shapes[name] = tuple(_bound(dim, options.symbols) for dim in shape)
    _check_bindings(options)
    if options.batch is None:
        return shapes
    batch = _bound(options.batch, options.symbols)
    return {name: (batch, *shape[1:]) for name, shape in shapes.items()}


def _example(name: str, rank: int) -> str:
    axes = {
        2: "1x512, batch x length",
        3: "1x80x3000, batch x bins x frames",
        4: "1x3x224x224, batch x channels x height x width",
    }
    return (
        f"For example:  --input {name}={axes.get(rank, '1x16x3x224x224, batch x frames x channels x height x width')}"
    )


def _bound(dim: Dim, symbols: Mapping[str, int]) -> Dim:
    return substitute(dim, {symbol(name): size for name, size in symbols.items()}) if is_symbolic(dim) else dim


def _check_bindings(options: LoadOptions) -> None:
    used = {
        str(free) for shape in options.inputs.values() for dim in shape for free in getattr(dim, "free_symbols", ())
    }
    for name in options.symbols:
        if name not in used and name not in options.named_elsewhere:
            known = ", ".join(sorted(used)) or "none"
            raise SymbolError(f"--set {name}=…: the inputs have no symbol {name!r}.", hint=f"Their symbols: {known}.")


def _batch(shapes: Mapping[str, Shape], options: LoadOptions) -> Dim:
    if options.batch is not None:
        return _bound(options.batch, options.symbols)
    return next((shape[0] for shape in shapes.values() if shape), 1)


def _switches(module: Any) -> dict[str, Any]:
    """No cache of keys and values is written: this is one pass over whole sequences."""
    return {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}


def _remarks(shapes: Mapping[str, Shape], module: Any) -> Iterable[str]:
    longest = context_length(module.config)
    tokens = shapes.get("input_ids", (1,))[-1]
    if longest is not None and not is_symbolic(tokens) and tokens > longest:
        yield f"{tokens:,} tokens are more than the {longest:,} of the configuration."


def _unknown_shape(name: str, module: Any, accepted: Iterable[str]) -> SourceError:
    return SourceError(
        f"the configuration does not say what shape the input {name} of {type(module).__name__} has.",
        hint=f"Give it:  --input {name}=1x…   Its inputs: {', '.join(accepted)}.",
    )
