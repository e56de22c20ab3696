"""Forms of PyTorch's functions that take symbolic sizes: those in C++ ask a symbol for its number.

PyTorch has such forms of most operators, in Python, which its dispatcher runs if it is told to; but it takes some
operators apart that are counted as a whole. So they run inside an operator only, and of functions those listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nncost.frontends.torch.step.recurrent_forms import RECURRENT_FORMS

_SIMPLE = 1 << 12
"""Scale factors are taken for fractions with denominators up to this one."""


def scaled_size(size: Any, factor: float) -> Any:
    """``⌊size·factor⌋``, with the fraction that the factor was written as."""
    simple = Fraction(factor).limit_denominator(_SIMPLE)
    exact = simple if float(simple) == factor else Fraction(factor)
    return size * exact.numerator // exact.denominator


def _each(value: Any, count: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * count


def _interpolate(
    input: torch.Tensor,  # noqa: A002 - PyTorch's own names, by which they are given
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """``interpolate``, with the sizes computed from the symbols; what it refuses it is left to refuse."""
    dims = input.dim() - 2
    operator = _RESIZING.get((mode, dims, antialias))
    if (size is None) == (scale_factor is None) or (operator is None and mode != "area"):
        return functional.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    factors = None if scale_factor is None else _each(scale_factor, dims)
    sizes = _each(size, dims) if factors is None else list(map(scaled_size, input.shape[2:], factors))
    if operator is None:
        pools = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)
        return pools[dims - 1](input, sizes)
    aligned = () if mode.startswith("nearest") else (bool(align_corners),)
    scales = [None] * dims if factors is None or recompute_scale_factor else factors
    return getattr(torch.ops.aten, operator).default(input, sizes, *aligned, *scales)


_RESIZING: Mapping[tuple[str, int, bool], str] = {
    **{("nearest", n, False): f"upsample_nearest{n}d" for n in (1, 2, 3)},
    **{("nearest-exact", n, False): f"_upsample_nearest_exact{n}d" for n in (1, 2, 3)},
    ("linear", 1, False): "upsample_linear1d", ("bilinear", 2, False): "upsample_bilinear2d",
    ("bicubic", 2, False): "upsample_bicubic2d", ("trilinear", 3, False): "upsample_trilinear3d",
    **{(mode, 2, True): f"_upsample_{mode}2d_aa" for mode in ("bilinear", "bicubic", "lanczos")},
}  # fmt: skip
"""The operator of a mode, the number of axes and antialiasing."""


def _max_pool1d(
    input: torch.Tensor,  # noqa: A002
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """One axis as two, of which one has a single element."""
    (size,), (step,) = _each(kernel_size, 1), _each(stride or kernel_size, 1)
    (width,), (spread,) = _each(padding, 1), _each(dilation, 1)
    found, places = torch.ops.aten.max_pool2d_with_indices.default(
        input.unsqueeze(-2), [1, size], [1, step], [0, width], [1, spread], ceil_mode
    )
    return (found.squeeze(-2), places.squeeze(-2)) if return_indices else found.squeeze(-2)


def _spaced(start: Any, end: Any, steps: Any, *_: Any, **options: Any) -> torch.Tensor:
    """As many numbers as ``linspace`` gives: constants, whatever they are."""
    options.pop("base", None)
    return torch.zeros(steps, **options)


def _in_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function by PyTorch's forms in Python."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with enable_python_dispatcher():
            return function(*args, **kwargs)

    return run


def _one_hot(tensor: torch.Tensor, num_classes: int = -1) -> Any:
    if num_classes < 0:
        return functional.one_hot(tensor, num_classes)
    return tensor.unsqueeze(-1).eq(torch.arange(num_classes, device=tensor.device)).to(torch.int64)


class _Frames(torch.autograd.Function):
    """Overlapping windows of a row; backward adds each element of theirs, as of any strided view."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int, step: int) -> torch.Tensor:
        ctx.sizes = x.shape
        return x.unfold(1, size, step)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        elements = gradients[0].reshape(-1)
        zeros = gradients[0].new_zeros(ctx.sizes[0] * ctx.sizes[1])
        places = torch.zeros(elements.shape, dtype=torch.int64)
        return zeros.index_add(0, places, elements).view(ctx.sizes), None, None


def _stft(
    input: torch.Tensor,  # noqa: A002
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """``stft`` as its form in C++: windows of a strided view, multiplied and transformed."""
    x = input if input.dim() == 2 else input.unsqueeze(0)
    if center:
        half = n_fft // 2
        x = functional.pad(x.unsqueeze(0), (half, half), pad_mode).squeeze(0)
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    if window is not None and width < n_fft:
        left = (n_fft - width) // 2
        window = functional.pad(window, (left, n_fft - width - left))
    x = _Frames.apply(x, n_fft, hop) if hop < n_fft else x.unfold(1, n_fft, hop)
    if window is not None:
        x = x * window
    transform = torch.fft.fft if x.is_complex() or onesided is False else torch.fft.rfft
    found = transform(x, dim=2, norm="ortho" if normalized else None).transpose(1, 2)
    found = found if input.dim() == 2 else found.squeeze(0)
    return found if return_complex else torch.view_as_real(found)


_FORMS: Mapping[Any, Callable[..., Any]] = {
    functional.interpolate: _interpolate,
    functional.upsample: _interpolate,
    functional.one_hot: _one_hot,
    functional.max_pool1d: _max_pool1d,
    torch.max_pool1d: _max_pool1d,
    torch.linspace: _spaced,
    torch.logspace: _spaced,
    torch.stft: _stft,
    torch.istft: _in_python(torch.istft),
    **RECURRENT_FORMS,
}


class SymbolicForms(TorchFunctionMode):
    """While it is on, functions that ask for numbers run in a form that takes symbols."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _FORMS.get(function, function)(*args, **(kwargs or {}))


# -------------------------------------------------------------------- operators
def run_on_symbols(operator: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """An operator on fake tensors with symbolic sizes, by a form that takes them."""
    result_of = _RESULTS.get(name.removeprefix("aten::"))
    if result_of is not None:
        return result_of(*args, **kwargs)
    with enable_python_dispatcher():
        return operator(*args, **kwargs)


def _resized(x: torch.Tensor, sizes: Sequence[Any], *_: Any, **__: Any) -> torch.Tensor:
    return x.new_empty((*x.shape[:2], *sizes))


def _resized_back(grad: torch.Tensor, _sizes: Any, shape: Sequence[Any], *_: Any, **__: Any) -> torch.Tensor:
    return grad.new_empty(tuple(shape))


def _grouped(
    left: torch.Tensor, right: torch.Tensor, offs: Any = None, bias: Any = None, out_dtype: Any = None
) -> torch.Tensor:
    """A product per group; PyTorch's own form knows bfloat16 only."""
    groups = (offs.shape[0],) if offs is not None and left.dim() == right.dim() == 2 else left.shape[:-2]
    return left.new_empty((*groups, left.shape[-2], right.shape[-1]), dtype=out_dtype)


_RESULTS: Mapping[str, Callable[..., torch.Tensor]] = {
    "_grouped_mm": _grouped,
    **dict.fromkeys(_RESIZING.values(), _resized),
    **{f"{name}_backward": _resized_back for name in _RESIZING.values()},
}
"""What operators return whose forms, in C++ or in Python, do not take symbols."""
