"""Fused attention: by meaning, whichever kernel PyTorch chooses."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.sequence import attention

_FUSED = (
    "aten::_scaled_dot_product_flash_attention_for_cpu", "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_efficient_attention", "aten::_scaled_dot_product_cudnn_attention",
    "aten::_scaled_dot_product_fused_attention_overrideable", "aten::scaled_dot_product_attention",
    "aten::_scaled_dot_product_attention_math", "aten::_scaled_dot_product_attention_math_for_mps",
)  # fmt: skip


def _mask(call: Call) -> Tensor | None:
    mask = call.get("attn_mask", call.get("attn_bias"))
    return mask if isinstance(mask, Tensor) else None


def _core(call: Call, b: Builder, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention on (B, H, T, E); fewer axes get some of size one."""
    four = [_four(b, x) for x in (query, key, value)]
    scores = (*four[0].shape[:3], four[1].shape[2])
    mask = _mask(call)
    grouped = (scores[0], four[1].shape[1], four[0].shape[1] // four[1].shape[1], scores[2], scores[3])
    if mask is not None:
        full = b.broadcast(mask, scores) if mask.rank <= 4 else mask
        mask = b.reshape(full, grouped)
    y = attention(
        b, *four, causal=bool(call.get("is_causal", False)), mask=mask, scale=call.get("scale"), from_start=True
    )
    return y if query.rank == 4 else b.reshape(y, (*query.shape[:-1], value.shape[-1]))


def _four(b: Builder, x: Tensor) -> Tensor:
    return x if x.rank == 4 else b.reshape(x, (*(1,) * (4 - x.rank), *x.shape))


@lowers(*_FUSED)
def _forward(call: Call) -> Lowered:
    y = _core(call, call.builder, call.tensor("query"), call.tensor("key"), call.tensor("value"))
    return (y, *(None for _ in call.outputs[1:]))


@lowers(
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward", "aten::_scaled_dot_product_flash_attention_backward",
    "aten::_scaled_dot_product_efficient_attention_backward", "aten::_scaled_dot_product_cudnn_attention_backward",
    "aten::_scaled_dot_product_fused_attention_overrideable_backward",
)  # fmt: skip
def _backward(call: Call) -> Lowered:
    """Four contractions: the gradients of value, scores, query and key. Recomputing the scores is the kernel's choice."""
    operands = (call.tensor("query"), call.tensor("key"), call.tensor("value"))
    g = call["grad_out"] if "grad_out" in call.arguments else call["grad_out_"]

    def forward(past: Builder, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _core(call, past, query, key, value)

    found = gradient(call.builder, forward, operands, g, call.get("asked", (True,) * 3)[:3])
    return (*found, *(None for _ in call.outputs[3:]))


@lowers("aten::_flash_attention_forward", "aten::_efficient_attention_forward", "aten::_cudnn_attention_forward",
        "aten::_flash_attention_forward_no_dropout_inplace")  # fmt: skip
def _by_sequence(call: Call) -> Lowered:
    """The same with the axes (batch, sequence, head, width); packed sequences of several lengths are refused."""
    if any(call.get(name) is not None for name in ("cum_seq_q", "cu_seqlens_q", "block_table")):
        raise NotImplementedError
    b = call.builder
    swapped = [b.transpose(call.tensor(name), (0, 2, 1, 3)) for name in ("query", "key", "value")]
    causal = bool(call.get("is_causal", call.get("custom_mask_type", 0) == 1))
    y = attention(b, *swapped, causal=causal, scale=call.get("scale"), from_start=True)
    return (b.transpose(y, (0, 2, 1, 3)), *(None for _ in call.outputs[1:]))


@lowers("aten::_flash_attention_backward", "aten::_efficient_attention_backward", "aten::_cudnn_attention_backward")
def _by_sequence_backward(call: Call) -> Lowered:
    if any(call.get(name) is not None for name in ("cum_seq_q", "cu_seqlens_q")):
        raise NotImplementedError
    causal = bool(call.get("is_causal", call.get("custom_mask_type", 0) == 1))
    g = call["grad_out"] if "grad_out" in call.arguments else call["grad_out_"]

    def forward(past: Builder, *operands: Tensor) -> Tensor:
        y = attention(
            past, *(past.transpose(x, (0, 2, 1, 3)) for x in operands), causal=causal, scale=call.get("scale")
        )
        return past.transpose(y, (0, 2, 1, 3))

    found = gradient(call.builder, forward, [call.tensor(name) for name in ("query", "key", "value")], g, (True,) * 3)
    return (*found, *(None for _ in call.outputs[3:]))
