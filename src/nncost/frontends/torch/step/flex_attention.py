"""``flex_attention`` written out: products, the model's own score and mask functions, softmax.

Below autograd it is one operator, whose gradient PyTorch refuses on the CPU. Written out before autograd sees it, the
gradient follows by itself. Every score is counted, also where a block mask leaves blocks out: which ones a kernel skips
depends on its block size, and attention with any other mask counts all of them too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

FLEX_ATTENTION: Any = torch.ops.higher_order.flex_attention
_FRAMES = 6
"""How far a question goes up from its answer to who asked it."""


def written_out(
    function: Any, query: Any, key: Any, value: Any, score_mod: Any, block_mask: Any, scale: float,
    kernel_options: Mapping[str, Any], score_buffers: Any = (), mask_buffers: Any = (),
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The output, the logarithm of each row's sum and its largest score, the latter two only if they are asked for."""
    key, value = (_for_each_head(x, query) for x in (key, value))
    scores = _changed((query @ key.transpose(-2, -1)) * scale, score_mod, block_mask[-1], score_buffers, mask_buffers)
    weights = torch.softmax(scores, -1)
    nothing = query.new_empty(0)
    logarithm, largest = nothing, nothing
    if kernel_options.get("OUTPUT_LOGSUMEXP"):  # a by-product of the softmax: one logarithm per row
        logarithm = (scores.select(-1, 0) - weights.select(-1, 0).log()) / math.log(2)  # which PyTorch takes back
    if kernel_options.get("OUTPUT_MAX"):
        largest = scores.amax(-1) / math.log(2)
    return weights.to(value.dtype) @ value, logarithm, largest


def _for_each_head(x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Keys or values for each of the query's heads and examples, which may share them."""
    shared = query.shape[1] // x.shape[1]
    if shared > 1:
        x = x.unsqueeze(2).expand(-1, -1, shared, -1, -1).flatten(1, 2)
    return x.expand(query.shape[0], -1, -1, -1)


def _changed(
    scores: torch.Tensor, score_mod: Any, mask_mod: Any, score_buffers: Any, mask_buffers: Any
) -> torch.Tensor:
    """Scores as the model's functions of one score change them, each over all scores at once."""
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
    from torch.nn.attention.flex_attention import _identity, _vmap_for_bhqkv, noop_mask

    places = [torch.arange(size, device=scores.device) for size in scores.shape]
    with TransformGetItemToIndex():
        if score_mod is not _identity:
            changed = _vmap_for_bhqkv(score_mod, prefix=(0,), suffix=(None,) * len(score_buffers))
            scores = changed(scores, *places, *score_buffers)
        if mask_mod is not noop_mask:
            masked = _vmap_for_bhqkv(mask_mod, prefix=(), suffix=(None,) * len(mask_buffers))
            scores = scores.masked_fill(~masked(*places, *mask_buffers), -float("inf"))
    return scores


def requires_grad(function: Callable[..., Any], tensor: torch.Tensor) -> bool:
    """Whether a tensor requires a gradient; not told to the check that refuses gradients of flex_attention on the CPU."""
    answer: bool = function(tensor)
    if not answer:
        return answer
    frame: Any = sys._getframe()
    for _ in range(_FRAMES):
        frame = frame and frame.f_back
        if frame is not None and frame.f_code.co_name == "_validate_device":
            return not frame.f_code.co_filename.endswith("flex_attention.py")
    return answer
