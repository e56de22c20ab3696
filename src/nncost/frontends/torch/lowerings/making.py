"""Tensors made of numbers alone."""

from __future__ import annotations

from typing import Any

from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def _constant(b: Builder, call: Call, kind: str, value: Any = 0.0) -> Tensor:
    shape, dtype = call.outputs[0]
    return b.emit(ops.Constant(kind, shape, dtype, value))  # type: ignore[arg-type]


@lowers(
    "aten::empty", "aten::zeros", "aten::ones", "aten::full", "aten::empty_strided", "aten::zeros_like", "aten::ones_like",
    "aten::empty_like", "aten::full_like", "aten::new_zeros", "aten::new_ones", "aten::new_empty", "aten::new_full",
    "aten::new_empty_strided", "aten::scalar_tensor", "aten::zero", "aten::_efficientzerotensor", "aten::fill",
    "aten::empty_permuted",
)  # fmt: skip
def _filled(call: Call) -> Tensor:
    """A constant; one that is filled in place is made anew."""
    ones = "ones" in call.name
    shape, dtype = call.outputs[0] if call.outputs else (call.tensor("self").shape, call.tensor("self").dtype)
    value = call.get("fill_value", call.get("value", call.get("s", 1.0 if ones else 0.0)))
    if isinstance(value, Tensor):
        return call.builder.map("identity", call.builder.broadcast(cast(call.builder, value, dtype), shape))
    return call.builder.emit(ops.Constant("fill", shape, dtype, value))


@lowers(
    "aten::arange", "aten::linspace", "aten::logspace", "aten::range", "aten::tril_indices", "aten::triu_indices",
    "aten::hann_window", "aten::hamming_window", "aten::bartlett_window", "aten::blackman_window", "aten::kaiser_window",
    "aten::eye", "aten::fft_fftfreq", "aten::fft_rfftfreq",
)  # fmt: skip
def _made(call: Call) -> Tensor:
    """Numbers known before the model runs, made by the operator itself when the graph is run."""
    import torch

    given = {name: value for name, value in call.arguments.items() if name not in _PLACES and value is not None}
    if any(isinstance(value, Tensor) for value in given.values()):
        return _constant(call.builder, call, "iota")
    packet = getattr(torch.ops.aten, call.name.removeprefix("aten::"))
    operator = getattr(packet, call.overload or "default")
    return _constant(call.builder, call, "array", lambda: operator(**given).numpy())


_PLACES = {"layout", "device", "pin_memory"}


@lowers("aten::tril", "aten::triu")
def _triangle(call: Call) -> Tensor:
    """Which elements stay is known before the model runs: a selection by a constant mask, 1 cmp each."""
    b, x = call.builder, call.tensor("self")
    rows, columns = x.shape[-2:]
    shift, upper = call.get("diagonal", 0), call.name == "aten::triu"

    def kept() -> Any:
        import numpy as np

        lower = np.tri(rows, columns, shift - 1 if upper else shift, dtype=bool)
        return ~lower if upper else lower

    mask = b.broadcast(b.emit(ops.Constant("array", (rows, columns), "bool", kept)), x.shape)
    return b.map("select", mask, x, b.emit(ops.Constant("fill", (), x.dtype, 0.0)))
