"""The input a model is counted with if none is given: a rule per kind of input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TOKENS = 2_048
DEFAULT_IMAGE = 224
"""Pixels a side, where the configuration says nothing: that of ImageNet classifiers since AlexNet (2012)."""
DEFAULT_CHANNELS = 3
SAMPLES = 16_000
"""One second of sound at 16 kHz, the rate of wav2vec 2.0 (arXiv 2006.11477)."""
FRAMES_A_POSITION = 2
"""Whisper's second convolution has stride 2 (arXiv 2212.04356)."""
CONTEXT = (
    "max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "max_seq_length", "seq_length", "n_ctx",
    "max_target_positions",
)  # fmt: skip
IMAGE = ("image_size", "img_size", "input_size")
CHANNELS = ("num_channels", "in_channels", "in_chans", "num_input_channels")
FRAMES = ("num_frames", "frames_per_clip")

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Default:
    """One rule: the axes of an input, as a reader sees them, and where the sizes come from."""

    kind: str
    inputs: str
    axes: str
    sizes: str
    rule: Callable[[Any], Sizes | None]


def _parts(config: Any) -> Iterator[Any]:
    """The configuration and those inside it that a size may be in."""
    yield config
    for name in ("text_config", "vision_config", "audio_config", "backbone_config", "encoder", "decoder"):
        inner = getattr(config, name, None)
        if inner is not None and hasattr(inner, "model_type"):
            yield inner


def _first(config: Any, names: Sequence[str]) -> Any:
    for part in _parts(config):
        for name in names:
            if (value := getattr(part, name, None)) is not None:
                return value
    return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def context_length(config: Any) -> int | None:
    """The longest sequence the configuration speaks of."""
    return _whole(_first(config, CONTEXT))


def _text(config: Any) -> Sizes:
    return (min(context_length(config) or MOST_TOKENS, MOST_TOKENS),)


def _image(config: Any) -> Sizes:
    value = _first(config, IMAGE)
    if isinstance(value, dict):
        value = [value.get("height"), value.get("width")]
    sides = list(value[-2:]) if isinstance(value, (list, tuple)) else [value]
    height, width = (_whole(side) or DEFAULT_IMAGE for side in (sides * 2)[:2])
    return (_whole(_first(config, CHANNELS)) or DEFAULT_CHANNELS, height, width)


def _video(config: Any) -> Sizes | None:
    frames = _whole(_first(config, FRAMES))
    return None if frames is None else (frames, *_image(config))


def _mel(config: Any) -> Sizes | None:
    bins, positions = _whole(_first(config, ("num_mel_bins",))), _whole(_first(config, ("max_source_positions",)))
    return None if bins is None or positions is None else (bins, FRAMES_A_POSITION * positions)


def _sound(config: Any) -> Sizes:
    bins, length = (_whole(getattr(config, name, None)) for name in ("num_mel_bins", "max_length"))
    if bins is not None and length is not None:
        return (length, bins)
    channels = _whole(getattr(config, "audio_channels", None))
    return (SAMPLES,) if channels is None else (channels, SAMPLES)


def _start(config: Any) -> Sizes:
    return (1,)


DEFAULTS = (
    Default("text", "input_ids", "tokens", f"the context length, at most {MOST_TOKENS:,}", _text),
    Default("text to text", "decoder_input_ids", "tokens", f"the context length, at most {MOST_TOKENS:,}", _text),
    Default("sound or image to text", "decoder_input_ids", "tokens", "1: the token that starts the answer", _start),
    Default(
        "image", "pixel_values", "channels × height × width",
        f"the image size and channels, {DEFAULT_IMAGE} × {DEFAULT_IMAGE} and {DEFAULT_CHANNELS} where it has none", _image,
    ),
    Default("video", "pixel_values", "frames × channels × height × width", "the same, with its number of frames", _video),
    Default("video", "pixel_values_videos", "frames × channels × height × width", "the same", _video),
    Default("spectrogram", "input_features", "mel bins × frames", "num_mel_bins, 2 · max_source_positions", _mel),
    Default(
        "sound", "input_values", "samples",
        f"{SAMPLES:,}, a second at 16 kHz; max_length × num_mel_bins for spectrograms", _sound,
    ),
)  # fmt: skip


def default_sizes(name: str, config: Any, *, video: bool, generates: bool) -> Sizes | None:
    """The sizes of an input for one example, or None if there is no rule.

    ``generates`` says that a decoder writes text behind a sound or an image.
    """
    rules = [rule for rule in DEFAULTS if rule.inputs == name]
    if not rules:
        return None
    kind = {"pixel_values": video, "decoder_input_ids": generates}.get(name, False)
    return rules[-1 if kind else 0].rule(config)
