"""What a model raises comes through as it is, with a note: in which layer, what it received, what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from nncost.errors import NncostError

_ONE_TYPE = {
    "aten::mm": ("mat1", "mat2"), "aten::bmm": ("batch1", "batch2"), "aten::addmm": ("mat1", "mat2"),
    "aten::baddbmm": ("batch1", "batch2"), "aten::mv": ("self", "vec"), "aten::addmv": ("mat", "vec"),
    "aten::dot": ("self", "tensor"), "aten::convolution": ("input", "weight"),
}  # fmt: skip
"""Operators whose operands have one type; PyTorch checks it where it computes, not on shapes alone."""


def check_types(name: str, tensors: Sequence[torch.Tensor]) -> None:
    """Raise RuntimeError, as PyTorch does when it computes, for a product of different types."""
    if name in _ONE_TYPE and len(tensors) > 1:
        left, right = tensors[-2:] if name != "aten::convolution" else tensors[:2]
        if left.dtype != right.dtype and left.layout is right.layout is torch.strided:
            first, second = _ONE_TYPE[name]
            raise RuntimeError(
                f"{first} and {second} must have the same dtype, but got {_type(left)} and {_type(right)}"
            )


@contextmanager
def noted_in_backward(attribution: Any) -> Iterator[None]:
    """Add a note to what is raised in the backward pass; layers that run again in it add their own."""
    try:
        yield
    except NncostError:
        raise
    except Exception as error:
        _note(error, "in the loss" if attribution.path == "loss" else "in the backward pass")
        raise


@contextmanager
def noted_of(module: nn.Module) -> Iterator[None]:
    """Add a note to what a module's step raises where no layer has said more."""
    try:
        yield
    except NncostError:
        raise
    except Exception as error:
        _note(error, f"in the step of {type(module).__name__}")
        raise


def explain(error: Exception, layer: nn.Module, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Say once in which layer an exception arose, what it received and what it takes."""
    if isinstance(error, NncostError) or getattr(error, "__nncost__", None) is not None:
        return
    received = [_given(value) for value in args if isinstance(value, torch.Tensor)]
    received += [f"{key}={_given(value)}" for key, value in kwargs.items() if isinstance(value, torch.Tensor)]
    where = f"in layer {name!r}" if name else "in the model's own forward"
    takes = expected(layer)
    _note(
        error,
        f"{where} ({type(layer).__name__}), which received {', '.join(received) or 'no tensor'}"
        + (f" and takes {takes}" if takes else ""),
    )


def expected(layer: nn.Module) -> str | None:
    """The shape a layer takes, with … for sizes that are free; None where its class does not tell."""
    if isinstance(layer, nn.Linear):
        return f"…x{layer.in_features}"
    if isinstance(layer, _ConvNd):
        return f"Nx{layer.in_channels}" + "x…" * len(layer.kernel_size)
    if isinstance(layer, nn.RNNBase):
        return f"…x{layer.input_size}"
    if isinstance(layer, _NormBase):
        return f"Nx{layer.num_features}x…"
    if isinstance(layer, nn.LayerNorm):
        return f"…x{'x'.join(map(str, layer.normalized_shape))}"
    if isinstance(layer, nn.Embedding):
        return f"whole numbers below {layer.num_embeddings}"
    if isinstance(layer, nn.MultiheadAttention):
        return f"…x{layer.embed_dim}"
    return None


def _given(tensor: torch.Tensor) -> str:
    kind = "" if tensor.dtype is torch.float32 else f":{_type(tensor)}"
    return "nested" + kind if tensor.is_nested else ("x".join(map(str, tensor.shape)) or "()") + kind


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _note(error: Exception, note: str) -> None:
    if getattr(error, "__nncost__", None) is None:
        try:
            error.__nncost__ = note  # type: ignore[attr-defined]
        except AttributeError:
            return
        error.add_note(f"nncost: {note}")
