"""Fourier transforms of signals, and the weights that turn their bins into mels."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import fourier

MICROSOFT = "com.microsoft"


@lowers("DFT", since=17)
def _dft_along_attribute(call: Call) -> Tensor:
    return _dft(call, call.attributes.integer("axis", 1))


@lowers("DFT", since=20)
def _dft_along_operand(call: Call) -> Tensor:
    return _dft(call, int(call.only(2, -2)))


def _dft(call: Call, axis: int) -> Tensor:
    """The transform along one axis of real numbers or of pairs of real and imaginary parts."""
    x = call.tensor(0)
    if x.rank < 2 or x.shape[-1] not in (1, 2):
        raise ShapeError(f"the last axis holds a real part or both parts, received {x.shape}.")
    length: Dim | None = call.only(1, None)
    inverse, one_sided = (call.attributes.flag(name, False) for name in ("inverse", "onesided"))
    return fourier.dft(
        call.builder, x, call.axis(axis, x.rank), length, inverse=inverse, one_sided=one_sided
    )  # fmt: skip


@lowers("STFT", since=17)
def _short_time_transform(call: Call) -> Tensor:
    """Transforms of overlapping frames of a signal."""
    signal, step = call.ranked(0, 3, 3), int(call.only(1, None))
    window = call.constant(2) if call.has(2) else None
    default = signal.shape[1] if window is None else window.shape[0]
    frame: Dim = call.only(3, default)
    if window is not None and not is_symbolic(frame) and window.shape != (frame,):
        raise ShapeError(f"a window of {window.shape} does not fit frames of {frame}.")
    if step < 1:
        raise SourceError(f"a step is at least 1, received {step}.")
    return fourier.stft(
        call.builder, signal, step, frame, window, one_sided=call.attributes.flag("onesided", True)
    )  # fmt: skip


@lowers("MelWeightMatrix", since=17)
def _mel_weights(call: Call) -> Tensor:
    """A constant: its size and its numbers must be known."""
    bins, length, rate = (int(call.only(n, None)) for n in range(3))
    low, high = (float(call.only(n, None)) for n in (3, 4))
    dtype = call.walk.types.coded(call.attributes.integer("output_datatype", 1))
    if dtype is None:
        raise Unlowered("it makes text")
    shape = (length // 2 + 1, bins)
    return call.builder.emit(
        ops.Constant("array", shape, dtype, lambda: fourier.mel_weights(bins, length, rate, low, high))
    )


@lowers("Rfft", "Irfft", domain=MICROSOFT)
def _real_transform(call: Call) -> Tensor:
    """The one-sided transform of a real signal along its last axis, or the signal of one."""
    x, b = call.tensor(0), call.builder
    if call.attributes.integer("signal_ndim", 1) != 1:
        raise Unlowered("a transform along several axes")
    if call.node.op_type == "Rfft":
        return fourier.dft(b, b.unsqueeze(x, x.rank), x.rank - 1, one_sided=True)
    signal = fourier.dft(b, x, x.rank - 2, inverse=True, one_sided=True)
    return b.reshape(signal, signal.shape[:-1])
