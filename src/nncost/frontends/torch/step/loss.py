"""The loss of a step, and where its backward pass starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from nncost.errors import Instead, OptionError
from nncost.frontends.model import LoadOptions
from nncost.frontends.torch.step.named_losses import class_rows, output_tensors, sum_of, takes_classes, value_of
from nncost.ir.training.losses import LOSSES, NO_LOSS
from nncost.names import nearest

PREFERRED = (
    "logits", "prediction_logits", "last_hidden_state", "logits_per_image", "pooler_output", "reconstruction", "out"
)  # fmt: skip
"""The outputs a loss is taken of, by name, where a model returns several."""
LOSS_PATH = "loss"
Target = Callable[[str, torch.Tensor], torch.Tensor]
"""``target(loss, output)`` makes what a named loss compares the output with."""
OWN_LOSS = "own"
"""The loss that a model computes itself when it is given labels."""


def primary(output: Any) -> torch.Tensor:
    """The tensor a loss is taken of. Raise OptionError if there is none."""
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
    else:
        named = [getattr(output, name) for name in PREFERRED if hasattr(output, name)]
        items = [*named, *output_tensors(output)]
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
    return OWN_LOSS if own_loss(output) is not None else "squared_error"


def trained_outputs(output: Any) -> list[torch.Tensor]:
    """The tensors of an output that depend on a parameter. Raise OptionError if there is none."""
    tensors = [tensor for tensor in output_tensors(output) if tensor.requires_grad]
    if not tensors:
        check_differentiable(primary(output))
    return tensors


def loss_value(output: Any, loss: Any, target: Target) -> torch.Tensor:
    """The loss as a scalar tensor."""
    if loss == OWN_LOSS:
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
    if loss not in LOSSES:
        names = (*LOSSES, OWN_LOSS, NO_LOSS)
        close = nearest(loss, names) if isinstance(loss, str) else None
        hint = "" if close is None else f"Did you mean {close!r}? "
        raise OptionError(
            f"unknown loss {loss!r}",
            hint=f"{hint}Accepted: {', '.join(names)}, or a function of the model's output.",
            instead=None if close is None else Instead(loss, close),
        )
    if loss == "sum":
        return sum_of(output)
    tensor = _with_classes(primary(output)) if takes_classes(loss) else primary(output)
    return value_of(loss, tensor, target(loss, tensor))


def _check_takes_output(loss: Any) -> None:
    """Raise OptionError for a function that takes more than the model's output."""
    try:
        inspect.signature(loss.forward if isinstance(loss, torch.nn.Module) else loss).bind(None)
    except ValueError:
        return  # some functions written in C have no signature
    except TypeError as error:
        raise OptionError(
            f"the loss is called with the model's output only: {error}.",
            hint="For example: loss=lambda output: torch.nn.functional.cross_entropy(output, target)",
        ) from None


def _with_classes(logits: torch.Tensor) -> torch.Tensor:
    """Classes are the last axis of two or three (a sequence's), the second of four or more (an image's)."""
    if logits.dim() == 0:
        raise OptionError(
            "cross_entropy needs classes; the model returns a single number.", hint="--loss squared_error"
        )
    return class_rows(logits) if logits.dim() == 3 else logits


def check_differentiable(value: torch.Tensor) -> None:
    """Raise OptionError for a value without a gradient."""
    if not value.requires_grad:
        raise OptionError(
            "nothing is trained: the model's output depends on no trainable parameter.",
            hint="Check requires_grad and freeze.",
        )
