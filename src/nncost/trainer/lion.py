"""Lion for PyTorch, which has none: the update of ``nncost.ir.training.optimizers``, parameter by parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from nncost.ir.training.optimizers import LION_BETA_1, LION_BETA_2


class Lion(torch.optim.Optimizer):
    """p ← p − η·sign(β₁·m + (1−β₁)·g);  m ← β₂·m + (1−β₂)·g (Chen et al. 2023)."""

    def __init__(self, parameters: Iterable[Any], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"])

    def _update(self, parameter: torch.Tensor, rate: float) -> None:
        state, gradient = self.state[parameter], parameter.grad
        momentum = state.setdefault("momentum", torch.zeros_like(parameter))
        assert gradient is not None
        parameter.sub_(rate * (LION_BETA_1 * momentum + (1 - LION_BETA_1) * gradient).sign_())
        momentum.mul_(LION_BETA_2).add_(gradient, alpha=1 - LION_BETA_2)
