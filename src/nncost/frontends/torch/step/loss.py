"""The loss of a step, and where its backward pass starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from nncost.errors import OptionError
from nncost.frontends.model import LoadOptions

PREFERRED = (
    "logits",
    "prediction_logits",
    "last_hidden_state",
    "logits_per_image",
    "pooler_output",
    "reconstruction",
    "out",
)
"""The outputs a loss is taken of, by name, where a model returns several."""
LOSS_PATH = "loss"
NO_LOSS = "none"
Target = Callable[[torch.Tensor], torch.Tensor]
"""Is told each target of a loss, and returns it."""
NAMED_LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy", "sum", "own", "none")
"""``own`` is the loss that a model computes itself when it is given labels."""


def primary(output: Any) -> torch.Tensor:
    """The tensor a loss is taken of. Raises OptionError where there is none."""
    tensor = _primary(output)
    if tensor is None:
        raise OptionError(
            f"the model returns {type(output).__name__} without a floating-point tensor to take a loss of.",
            hint="Give loss a function of the model's output.",
        )
    return tensor


def _primary(output: Any) -> torch.Tensor | None:
    if isinstance(output, torch.Tensor):
        return output if output.dtype.is_floating_point or output.dtype.is_complex else None
    if isinstance(output, Mapping):
        named = [output[name] for name in PREFERRED if name in output]
        items = [*named, *output.values()]
    elif isinstance(output, (list, tuple)):
        items = list(output)
    elif hasattr(output, "__dict__"):
        items = [vars(output)[name] for name in (*PREFERRED, *vars(output)) if name in vars(output)]
    else:
        return None
    return next((found for item in items if (found := _primary(item)) is not None), None)


def own_loss(output: Any) -> torch.Tensor | None:
    """The loss a model computed itself, as Hugging Face's do when they are given labels."""
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    return loss if isinstance(loss, torch.Tensor) and loss.numel() == 1 else None


def wants_backward(options: LoadOptions) -> bool:
    """Whether a loss or an optimizer was named."""
    return options.steps.loss not in (None, NO_LOSS) or options.steps.optimizer not in (None, "none")


def loss_of(output: Any, options: LoadOptions) -> Any:
    """The loss that was asked for; with an optimizer only, the model's own or ``squared_error``."""
    loss, optimizer = options.steps.loss, options.steps.optimizer
    if loss is not None:
        return loss
    if optimizer in (None, "none"):
        return NO_LOSS
    return "own" if own_loss(output) is not None else "squared_error"


def starts_of_backward(output: Any, loss: Any, target: Target) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """The tensors that a backward pass starts from, and their gradients; ``sum`` costs nothing, its gradient is ones.

    Raises OptionError for a loss that does not fit.
    """
    if loss != "sum":
        value = loss_value(output, loss, target)
        _check_differentiable(value)
        return [value], [None]
    tensors = _differentiable(output)
    if not tensors:
        _check_differentiable(primary(output))
    with torch.no_grad():
        return tensors, [target(torch.ones_like(tensor)) for tensor in tensors]


def sum_of(output: Any) -> torch.Tensor:
    """The sum of every output that depends on a parameter, as a loop computes it."""
    sums = [tensor.sum() for tensor in _differentiable(output)]
    if not sums:
        _check_differentiable(primary(output))
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum()


def _differentiable(output: Any) -> list[torch.Tensor]:
    return [t for t in tree_leaves(output) if isinstance(t, torch.Tensor) and t.requires_grad]


def loss_value(output: Any, loss: Any, target: Target) -> torch.Tensor:
    """The loss as a scalar tensor; ``target`` is told the tensors that the output is compared with."""
    if loss == "own":
        value = own_loss(output)
        if value is None:
            raise OptionError("the model computed no loss of its own.", hint="Give it labels, or name a loss.")
        return value
    if callable(loss):
        _check_takes_output(loss)
        value = loss(output)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise OptionError(f"the loss function returned {type(value).__name__}, not a scalar tensor.")
        return value
    if loss not in NAMED_LOSSES:
        raise OptionError(
            f"unknown loss {loss!r}", hint=f"Accepted: {', '.join(NAMED_LOSSES)}, or a function of the model's output."
        )
    tensor = primary(output)
    if loss == "squared_error":
        return functional.mse_loss(tensor, target(torch.empty_like(tensor, requires_grad=False)))
    if loss == "binary_cross_entropy":
        expected = target(torch.empty_like(tensor, requires_grad=False))
        return functional.binary_cross_entropy_with_logits(tensor, expected)
    return _cross_entropy(tensor, target)


def _check_takes_output(loss: Any) -> None:
    """Raises OptionError for a function that takes more than the model's output."""
    try:
        inspect.signature(loss.forward if isinstance(loss, torch.nn.Module) else loss).bind(None)
    except ValueError:
        return  # some functions written in C have no signature
    except TypeError as error:
        raise OptionError(
            f"the loss is called with the model's output only: {error}.",
            hint="For example: loss=lambda output: torch.nn.functional.cross_entropy(output, target)",
        ) from None


def _cross_entropy(logits: torch.Tensor, target: Target) -> torch.Tensor:
    """Over the last axis of two or three (a sequence's classes), over the second of four or more (an image's)."""
    if logits.dim() == 0:
        raise OptionError(
            "cross_entropy needs classes; the model returns a single number.", hint="--loss squared_error"
        )
    if logits.dim() == 3:
        logits = logits.reshape(-1, logits.shape[-1])
    shape = (logits.shape[0], *logits.shape[2:]) if logits.dim() > 1 else ()
    classes = target(torch.empty(shape, dtype=torch.int64, device=logits.device))
    return functional.cross_entropy(logits, classes)


def _check_differentiable(value: torch.Tensor) -> None:
    if not value.requires_grad:
        raise OptionError(
            "nothing is trained: the model's output depends on no trainable parameter.",
            hint="Check requires_grad and freeze.",
        )
