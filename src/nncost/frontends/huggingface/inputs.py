"""The arguments a model is called with: those given, by its own names or short ones, and defaults for the rest."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, shape_text, substitute, symbol
from nncost.errors import Instead, OptionError, SourceError, SymbolError
from nncost.frontends.huggingface.default_inputs import context_length, default_sizes
from nncost.frontends.model import Inputs, LoadOptions, TensorShape
from nncost.units import counted

REPLACES = {"input_ids": ("inputs_embeds",), "decoder_input_ids": ("decoder_inputs_embeds", "labels")}
"""An input of the right makes the one of the left unnecessary."""


def inputs_of(module: Any, options: LoadOptions) -> tuple[Inputs, tuple[str, ...]]:
    """The arguments and notes on them.

    ``options.given`` or ``options.inputs`` name inputs by the model's names or short ones, or leave
    the name of the main one out; ``options.batch`` replaces the first axis of each. Raise
    OptionError for an input that does not fit, SourceError where a shape must be given.
    """
    accepted, main = accepted_inputs(module), _main_input(module)
    if main not in accepted:
        raise _unknown_shape(main, module, accepted)
    defaults = {name: _default(name, module, main) for name in _needed(module, main, accepted)}
    ranks = {name: len(sizes) + 1 for name, sizes in defaults.items() if sizes}
    found = given_inputs(module, options, main, accepted, ranks)
    notes = list(_caveats(found, module))
    batch = _batch(found, options)
    for name, sizes in defaults.items():
        if name in found or any(other in found for other in REPLACES.get(name, ())):
            continue
        if sizes is None:
            raise _unknown_shape(name, module, accepted)
        found[name] = TensorShape((batch, *sizes), dtype_of(name, options.dtype))
        notes.append(f"Input {name}: {shape_text(found[name].shape)} by default; --input {name}=… gives another.")
    if "use_cache" in inspect.signature(module.forward).parameters:
        found.setdefault("use_cache", False)  # one pass over whole sequences leaves no keys and values behind
    order = [name for name in accepted if name in found]
    return Inputs(kwargs={name: found[name] for name in dict.fromkeys([*order, *found])}), tuple(notes)


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
            return int(part.padding_idx) + 1
    return 0


def _batch(found: Mapping[str, Any], options: LoadOptions) -> Dim:
    """The batch asked for, or that of the inputs given."""
    if options.batch is not None:
        return bound(options.batch, options.symbols)
    return next((leaf.shape[0] for leaf in found.values() if len(getattr(leaf, "shape", ()))), 1)


def _caveats(found: Mapping[str, Any], module: Any) -> Iterator[str]:
    longest = context_length(module.config)
    tokens = getattr(found.get("input_ids"), "shape", (1,))[-1]
    if longest is not None and not is_symbolic(tokens) and tokens > longest:
        yield f"{tokens:,} tokens are more than the {longest:,} of the configuration."


def _unknown_shape(name: str, module: Any, accepted: Iterable[str]) -> SourceError:
    return SourceError(
        f"the configuration does not say what shape the input {name} of {type(module).__name__} has.",
        hint=f"Give it:  --input {name}=1x…   Its inputs: {', '.join(accepted)}.",
    )


# ------------------------------------------------------------------- what was given
AXES = {
    2: "1x512, batch x length",
    3: "1x80x3000, batch x bins x frames",
    4: "1x3x224x224, batch x channels x height x width",
    5: "1x16x3x224x224, batch x frames x channels x height x width",
}


def given_inputs(
    module: Any, options: LoadOptions, main: str, accepted: list[str], ranks: Mapping[str, int]
) -> dict[str, Any]:
    """Shapes with their types, tensors and plain values; symbols are bound and the batch is in place.

    ``ranks`` says how many sizes an input has. Raise OptionError for an input that the model does
    not have, that comes twice or that has another rank, SymbolError for a binding without a symbol.
    """
    found: dict[str, Any] = {}
    symbols: set[str] = set()
    for given, value in _named(options, inspect.signature(module.forward).parameters):
        is_tensor = hasattr(value, "shape")
        name = full_name(given, main, accepted) if is_tensor else given
        if name in found:
            raise OptionError(f"the input {name} is given twice.")
        if is_tensor:
            _check_shape(name, tuple(value.shape), ranks.get(name))
            symbols |= {str(free) for dim in value.shape for free in getattr(dim, "free_symbols", ())}
        found[name] = _placed(name, value, options) if isinstance(value, TensorShape) else value
    _check_bindings(options, symbols)
    return found


def bound(dim: Dim, symbols: Mapping[str, int]) -> Dim:
    """The size with the caller's bindings in place."""
    return substitute(dim, {symbol(name): size for name, size in symbols.items()}) if is_symbolic(dim) else dim


def _named(options: LoadOptions, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every input with the name it was given; one without a name has an empty one."""
    if options.given is None:
        yield from ((name, TensorShape(shape)) for name, shape in options.inputs.items())
        return
    if len(options.given.args) > 1:
        raise OptionError(
            f"{len(options.given.args)} inputs have no name; only the main one can do without.",
            hint='For example: {"input_ids": (1, 512), "attention_mask": (1, 512)}',
        )
    yield from (("", value) for value in options.given.args)
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name, value in options.given.kwargs.items():
        if not hasattr(value, "shape") and name not in parameters and not takes_more:
            raise OptionError(f"{name}={str(value)[:60]!r} is neither a shape nor an argument of the model.")
        yield name, value


def _check_shape(name: str, shape: Shape, rank: int | None) -> None:
    if rank is not None and len(shape) != rank:
        raise OptionError(
            f"the input {name} has {counted(rank, 'size')}, received {shape_text(shape)}.",
            hint=f"For example:  --input {name}={AXES.get(rank, 'x'.join('1' * rank))}",
        )
    if any(not is_symbolic(dim) and dim < 1 for dim in shape):
        raise OptionError(f"sizes are at least 1, received {shape_text(shape)}.")


def _placed(name: str, leaf: TensorShape, options: LoadOptions) -> TensorShape:
    shape = tuple(bound(dim, options.symbols) for dim in leaf.shape)
    if options.batch is not None and shape:
        shape = (bound(options.batch, options.symbols), *shape[1:])
    return TensorShape(shape, leaf.dtype or dtype_of(name, options.dtype))


def _check_bindings(options: LoadOptions, used: set[str]) -> None:
    for name in options.symbols:
        if name not in used and name not in options.named_elsewhere:
            known = ", ".join(sorted(used)) or "none"
            raise SymbolError(
                f"--symbol {name}=…: the inputs have no symbol {name!r}.", hint=f"Their symbols: {known}."
            )


# ------------------------------------------------------------------- names
SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "ids": ("input_ids",),
    "tokens": ("input_ids",),
    "text": ("input_ids",),
    "image": ("pixel_values",),
    "images": ("pixel_values",),
    "pixels": ("pixel_values",),
    "video": ("pixel_values_videos", "pixel_values"),
    "audio": ("input_features", "input_values"),
    "features": ("input_features",),
    "samples": ("input_values",),
    "embeddings": ("inputs_embeds",),
    "mask": ("attention_mask",),
    "types": ("token_type_ids",),
    "positions": ("position_ids",),
    "decoder": ("decoder_input_ids",),
    "decoder_ids": ("decoder_input_ids",),
    "decoder_mask": ("decoder_attention_mask",),
}
"""The first of the names that the model has is meant."""
_NOT_TENSORS = ("past_key_values", "encoder_outputs", "logits_to_keep", "cache_params", "head_mask")
FLOATS = ("pixel_values", "features", "values", "embeds", "states", "spectrogram", "patches", "audio", "latents")


def accepted_inputs(module: Any) -> list[str]:
    """The tensors that the model's forward takes, in its order."""
    parameters = inspect.signature(module.forward).parameters.values()
    return [p.name for p in parameters if p.name not in _NOT_TENSORS and _is_tensor(p)]


def _is_tensor(parameter: inspect.Parameter) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    if parameter.annotation is parameter.empty:
        return parameter.default in (None, parameter.empty) and parameter.name.endswith(("_ids", "_mask", "_values"))
    text = parameter.annotation if isinstance(parameter.annotation, str) else str(parameter.annotation)
    return "Tensor" in text and not text.lower().startswith(("tuple", "list", "typing.tuple", "typing.list"))


def full_name(name: str, main: str, accepted: Sequence[str]) -> str:
    """Return the model's own name of an input; without a name its main one. Raise OptionError with the accepted ones."""
    if not name:
        return main
    for candidate in (name, *SHORT_NAMES.get(name, ())):
        if candidate in accepted:
            return candidate
    short = [short for short, full in SHORT_NAMES.items() if any(n in accepted for n in full)]
    close = get_close_matches(name, [*accepted, *short], 1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    raise OptionError(
        f"the model has no input {name[:60]!r}.",
        hint=f"{meant}Its inputs: {', '.join(accepted)}. Short names: {', '.join(short) or 'none'}.",
        instead=Instead(name, close[0]) if close else None,
    )


def dtype_of(name: str, float_type: str) -> str:
    """Images, sounds and embeddings are floats; everything else is whole numbers, as tokens are."""
    if name.startswith("bool_"):
        return "bool"
    return float_type if any(word in name for word in FLOATS) else "int64"
