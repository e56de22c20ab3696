"""An operator of one's own, as one written in Triton or C++ is: PyTorch knows its name and shapes, not what it computes."""

import torch
from torch import nn


@torch.library.custom_op("example::scale_shift", mutates_args=())
def scale_shift(x: torch.Tensor, scale: torch.Tensor, shift: float) -> torch.Tensor:
    """``x·scale + shift``."""
    return x * scale + shift


@torch.library.custom_op("example::scale_shift_backward", mutates_args=())
def scale_shift_backward(g: torch.Tensor, x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of x and scale."""
    return g * scale, (g * x).sum(0)


scale_shift.register_fake(lambda x, scale, shift: torch.empty_like(x))
scale_shift_backward.register_fake(lambda g, x, scale: (torch.empty_like(x), torch.empty_like(scale)))
scale_shift.register_autograd(
    lambda ctx, g: (*scale_shift_backward(g, *ctx.saved_tensors), None),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[:2]),
)


class Layer(nn.Module):
    """A dense layer and the operator."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` is (examples, 8)."""
        return scale_shift(self.dense(x), self.scale, 1.0)


def build() -> tuple[nn.Module, tuple[int, ...]]:
    """The module and the shape of its input."""
    return nn.Sequential(Layer(), Layer()), (4, 8)
