"""Pooling and its gradients."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import algorithm, several
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Extreme
from nncost.ir.library import pool
from nncost.ir.library.windows import overhang

Pool = Callable[[Builder, Tensor], Tensor]


def _dims(call: Call) -> int:
    return 3 if "3d" in call.name else 1 if "1d" in call.name else 2


def _sides(call: Call, x: Tensor, dims: int, dilation: tuple[int, ...]) -> list[tuple[Dim, Dim]]:
    """The padding before and after; with ceil mode what the last window reaches beyond is added after."""
    kernel = several(call["kernel_size"], dims)
    stride = several(call.get("stride") or kernel, dims)
    padding = several(call.get("padding", 0), dims)
    sides: list[tuple[Dim, Dim]] = []
    for axis in range(dims):
        width, after = padding[axis], padding[axis]
        if call.get("ceil_mode", False):
            reach = dilation[axis] * (kernel[axis] - 1) + 1
            after += overhang(x.shape[x.rank - dims + axis], width, width, reach, stride[axis])
        sides.append((width, after))
    return sides


def _batched(b: Builder, x: Tensor, dims: int) -> Tensor:
    """(B, C, *spatial): a single example gets its batch axis."""
    return x if x.rank == dims + 2 else b.reshape(x, (1, *x.shape))


def _max_pool(call: Call) -> Pool:
    dims = _dims(call)
    kernel = several(call["kernel_size"], dims)
    stride = several(call.get("stride") or kernel, dims)
    dilation = several(call.get("dilation", 1), dims)

    def apply(b: Builder, x: Tensor) -> Tensor:
        sides = _sides(call, x, dims, dilation)
        return pool.max_pool(b, _batched(b, x, dims), kernel=kernel, stride=stride, padding=sides, dilation=dilation)

    return apply


@lowers(
    "aten::max_pool2d_with_indices", "aten::max_pool3d_with_indices", "aten::max_pool1d_with_indices",
    "aten::max_pool2d", "aten::max_pool3d", "aten::max_pool1d",
)  # fmt: skip
def _max_pool_forward(call: Call) -> Lowered:
    """The places are found on the way."""
    y = call.builder.reshape(_max_pool(call)(call.builder, call.tensor("self")), call.outputs[0][0])
    return (y, None) if len(call.outputs) > 1 else y


@lowers("aten::max_pool2d_with_indices_backward", "aten::max_pool3d_with_indices_backward", "aten::max_pool2d_backward")
def _max_pool_backward(call: Call) -> Lowered:
    return _pool_gradient(call, _max_pool(call))


def _pool_gradient(call: Call, forward: Pool) -> Lowered:
    b, x, dims = call.builder, call.tensor("self"), _dims(call)
    g = _batched(b, call.tensor("grad_output"), dims)
    return gradient(b, forward, (x,), g, (True,))[0]


def _average_pool(call: Call) -> Pool:
    dims = _dims(call)
    kernel = several(call["kernel_size"], dims)
    stride = several(call.get("stride") or kernel, dims)
    counted = bool(call.get("count_include_pad", True))

    def apply(b: Builder, x: Tensor) -> Tensor:
        sides = _sides(call, x, dims, (1,) * dims)
        return pool.average_pool(
            b, _batched(b, x, dims), kernel=kernel, stride=stride, padding=sides, count_padding=counted,
            overhang=[high - low for low, high in sides], divisor=call.get("divisor_override"),
        )  # fmt: skip

    return apply


@lowers("aten::avg_pool2d", "aten::avg_pool3d", "aten::avg_pool1d")
def _average_pool_forward(call: Call) -> Tensor:
    return call.builder.reshape(_average_pool(call)(call.builder, call.tensor("self")), call.outputs[0][0])


@lowers("aten::avg_pool2d_backward", "aten::avg_pool3d_backward")
def _average_pool_backward(call: Call) -> Lowered:
    return _pool_gradient(call, _average_pool(call))


def _adaptive(call: Call, function: Extreme) -> Pool:
    dims = _dims(call)

    def apply(b: Builder, x: Tensor) -> Tensor:
        given = call.arguments.get("output_size")
        shape = call.outputs[0][0][-dims:] if given is None else several(given, dims)
        return pool.adaptive_pool(b, _batched(b, x, dims), tuple(shape), function=function)

    return apply


@lowers(
    "aten::_adaptive_avg_pool2d", "aten::_adaptive_avg_pool3d", "aten::adaptive_avg_pool2d", "aten::adaptive_avg_pool1d",
    "aten::adaptive_avg_pool3d",
)  # fmt: skip
def _adaptive_average(call: Call) -> Tensor:
    return call.builder.reshape(_adaptive(call, "average")(call.builder, call.tensor("self")), call.outputs[0][0])


@lowers("aten::adaptive_max_pool2d", "aten::adaptive_max_pool3d", "aten::adaptive_max_pool1d")
def _adaptive_max(call: Call) -> Lowered:
    y = _adaptive(call, "max")(call.builder, call.tensor("self"))
    return call.builder.reshape(y, call.outputs[0][0]), None


def _adaptive_backward(function: Extreme) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        b, x, dims = call.builder, call.tensor("self"), _dims(call)
        g = call.tensor("grad_output")
        size = tuple(g.shape[g.rank - dims :])

        def forward(past: Builder, x: Tensor) -> Tensor:
            return pool.adaptive_pool(past, _batched(past, x, dims), size, function=function)

        return gradient(b, forward, (x,), _batched(b, g, dims), (True,))[0]

    return lower


lowers("aten::_adaptive_avg_pool2d_backward", "aten::_adaptive_avg_pool3d_backward")(_adaptive_backward("average"))
lowers("aten::adaptive_max_pool2d_backward", "aten::adaptive_max_pool3d_backward")(_adaptive_backward("max"))


@lowers("aten::fractional_max_pool2d", "aten::fractional_max_pool3d")
def _fractional(call: Call) -> Lowered:
    """Windows at random places: K−1 cmp for each output; each place takes 1 mul and 1 add."""
    dims = _dims(call)
    kernel = product(several(call["kernel_size"], dims))
    output = Tensor(*call.outputs[0])
    starts = product(call.tensor("random_samples").shape[:2]) * sum(output.shape[output.rank - dims :])
    counts = {"cmp": output.elements * (kernel - 1), "mul": starts, "add": starts}
    return algorithm(call, counts)


@lowers("aten::fractional_max_pool2d_backward", "aten::fractional_max_pool3d_backward")
def _fractional_backward(call: Call) -> Tensor:
    """One addition for each output, into zeros."""
    g = call.tensor("grad_output")
    return algorithm(call, {"add": g.elements})[0]
