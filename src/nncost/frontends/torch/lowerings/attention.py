"""Attention in one operator: the fused core, whichever kernel PyTorch chooses, and whole encoder layers."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.gradient import Forward, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import encoder
from nncost.ir.library.sequence import attention

_QKV = ("query", "key", "value")


def _core(call: Call) -> Forward:
    """Attention on (B, H, T, E); fewer axes get some of size one."""
    causal, scale = bool(call.get("is_causal", False)), call.get("scale")
    given = call.get("attn_mask", call.get("attn_bias"))

    def apply(b: Builder, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        four = [x if x.rank == 4 else b.reshape(x, (*(1,) * (4 - x.rank), *x.shape)) for x in (query, key, value)]
        mask = given if isinstance(given, Tensor) else None
        if mask is not None:
            batch, heads, length, _ = four[0].shape
            groups, source = four[1].shape[1:3]
            full = b.broadcast(mask, (batch, heads, length, source)) if mask.rank <= 4 else mask
            mask = b.reshape(full, (batch, groups, heads // groups, length, source))
        y = attention(b, *four, causal=causal, mask=mask, scale=scale, from_start=True)
        return b.reshape(y, (*query.shape[:-1], value.shape[-1]))

    return apply


def _by_sequence(call: Call) -> Forward:
    """The same with the axes (batch, sequence, head, width); packed sequences of several lengths are refused."""
    if any(call.get(name) is not None for name in ("cum_seq_q", "cu_seqlens_q", "block_table")):
        raise NotImplementedError
    causal = bool(call.get("is_causal", call.get("custom_mask_type", 0) == 1))

    def apply(b: Builder, *operands: Tensor) -> Tensor:
        swapped = [b.transpose(x, (0, 2, 1, 3)) for x in operands]
        y = attention(b, *swapped, causal=causal, scale=call.get("scale"), from_start=True)
        return b.transpose(y, (0, 2, 1, 3))

    return apply


for _kind in ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
              "fused_attention_overrideable"):  # fmt: skip
    lowers(f"aten::_scaled_dot_product_{_kind}")(composite(_core, *_QKV))
    lowers(f"aten::_scaled_dot_product_{_kind}_backward")(composite_gradient(_core, *_QKV))
lowers("aten::scaled_dot_product_attention", "aten::_scaled_dot_product_attention_math",
       "aten::_scaled_dot_product_attention_math_for_mps")(composite(_core, *_QKV))  # fmt: skip
for _kind in ("flash", "efficient", "cudnn"):
    lowers(f"aten::_{_kind}_attention_forward")(composite(_by_sequence, *_QKV))
    lowers(f"aten::_{_kind}_attention_backward")(composite_gradient(_by_sequence, *_QKV))
lowers("aten::_flash_attention_forward_no_dropout_inplace")(composite(_by_sequence, *_QKV))


def _masked_softmax(call: Call) -> Forward:
    def apply(b: Builder, x: Tensor) -> Tensor:
        rows = cast(b, call.tensor("mask"), "bool")
        if rows.rank == 2 and x.rank == 4:
            middle = (rows.shape[0], 1, 1) if rows.shape[0] != x.shape[2] else (1, 1, rows.shape[0])
            rows = b.reshape(rows, (*middle, rows.shape[1]))
        return encoder.masked_softmax(b, x, rows, call.get("dim", -1))

    return apply


lowers("aten::_masked_softmax")(composite(_masked_softmax, "self"))


@lowers("aten::_native_multi_head_attention")
def _multi_head(call: Call) -> Lowered:
    given = [call.tensor(name) for name in _QKV]
    y = encoder.multi_head_attention(
        call.builder, given, call.arguments, call["num_head"], masked=call.get("mask") is not None
    )
    return (y, *(None for _ in call.outputs[1:]))


@lowers("aten::_transform_bias_rescale_qkv")
def _rescaled(call: Call) -> Lowered:
    return encoder.scaled_heads(call.builder, call.tensor("qkv"), call.tensor("qkv_bias"), call["num_heads"])


@lowers("aten::_transformer_encoder_layer_fwd")
def _encoder_layer(call: Call) -> Tensor:
    return encoder.encoder_layer(
        call.builder, call.tensor("src"), call.arguments, call["num_heads"],
        function="gelu" if call["use_gelu"] else "relu", norm_first=bool(call["norm_first"]), epsilon=call["eps"],
        masked=call.get("mask") is not None,
    )  # fmt: skip
