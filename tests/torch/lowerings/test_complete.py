"""No lowering without a sample: what is not run against PyTorch stands here with its reason."""

from __future__ import annotations

import fnmatch
import subprocess
import sys

import torch

from nncost.frontends.lowering import TORCH
from nncost.frontends.torch.lowerings import catalogue as _catalogue  # noqa: F401 - registers every lowering
from nncost.frontends.torch.step.dispatch_table import operator_info
from tests.torch.lowerings import closed, elementwise, layers, products, shaping, vision
from tests.torch.lowerings.running import operator_named

KEYS = ("CPU", "CompositeExplicitAutograd", "CompositeImplicitAutograd", "CompositeExplicitAutogradNonFunctional",
        "SparseCPU", "SparseCsrCPU", "QuantizedCPU")  # fmt: skip
REASONS = {
    "aten::*nested*": "nested tensors are moved, nothing is computed",
    "aten::*jagged*": "nested tensors are moved, nothing is computed",
    "aten::to_padded_tensor": "nested tensors are moved, nothing is computed",
    "aten::*sparse*": "tests/torch/cases counts sparse layers by their stored values",
    "aten::*indices_copy": "parts of sparse tensors are moved",
    "aten::*values_copy": "parts of sparse tensors are moved",
    "aten::*_to_sparse_*": "values are moved between layouts",
    "aten::_convert_indices_*": "indices are moved between layouts",
    "aten::_coalesced": "a flag is set",
    "aten::sspaddmm": "as _sparse_addmm",
    "aten::hspmm": "as _sparse_addmm",
    "aten::_spdiags": "values are moved between layouts",
    "aten::to_dense": "decomposed into _to_dense",
    "aten::to_sparse": "decomposed into _to_sparse",
    "quantized::*": "tests/torch/cases counts quantized layers; PyTorch calls them deprecated",
    "aten::quantized_*": "tests/torch/cases counts quantized layers; PyTorch calls them deprecated",
    "aten::quantize_*": "as quantize_per_tensor",
    "aten::choose_qparams_optimized": "as _choose_qparams_per_tensor",
    "aten::_choose_qparams_per_tensor": "gives numbers, not tensors",
    "aten::*quantized*": "quantized tensors are made from parts",
    "aten::q_per_channel_*": "parts of quantized tensors",
    "aten::int_repr": "parts of quantized tensors",
    "aten::*mkldnn*": "in oneDNN's own layout; as the general operators, which are run",
    "mkldnn::*": "made by compiled graphs; as aten::linear",
    "prims::*": "by the lowerings of the operators they belong to; some are run",
    "*c10d*::*": "between devices",
    "_dtensor::*": "between devices",
    "flex_lib::*": "tests/torch/kinds counts flex_attention with its gradients",
    "rngprims::*": "random",
    "aten::_fake_quantize_learnable_per_channel*": "as those for a whole tensor",
    "aten::_make_dep_token": "a mark",
    "aten::masked_scatter_backward": "values are moved by data",
    "aten::_is_a*_true": "as all and any",
    "aten::_triton_*": "other kernels of the attention that is run",
    "aten::glu_*jvp": "forward-mode gradients",
    "aten::matmul_backward": "of nested tensors",
    "aten::_functional_*": "checks",
    "aten::_fill_mem_eff_dropout_mask": "random",
    "aten::_lstm_mps": "of one device's library; as the general operator",
    "aten::mps_*": "of one device's library; as the general operator",
    "mkl::*": "made by compiled graphs; as aten::linear",
    "transformers::*": "tests/torch/cases counts experts",
    "aten::_grouped_mm": "tests/torch/cases counts experts; rows of a group are data",
    "aten::_scaled_mm*": "wants eight-bit floats of a GPU",
    "aten::_weight_int4pack_mm*": "wants weights packed for one processor",
    "aten::_mixed_dtypes_linear": "wants weights packed for one processor",
    "aten::_dyn_quant_*": "wants weights packed for one processor",
    "aten::_convert_weight_to_int4pack*": "wants weights packed for one processor",
    "aten::_cslt_*": "wants a GPU's library",
    "aten::_fused_*": "test_updates.py compares them with the loops",
    "aten::_scaled_dot_product_*": "other kernels of the attention that is run",
    "aten::_nnpack_spatial_convolution": "a library this build lacks",
    "aten::convolution_overrideable": "for devices of others; as convolution",
    "aten::convolution_backward_overrideable": "for devices of others; as convolution_backward",
    "aten::_slow_conv2d_backward": "as convolution_backward, which is run",
    "aten::_thnn_*": "test_updates.py runs the cells against nn.LSTMCell and nn.GRUCell",
    "aten::adaptive_avg_pool3d_backward": "writes into a given tensor; as _adaptive_avg_pool3d_backward",
    "aten::_cumm*_helper": "write into given tensors; as cummax and cummin",
    "aten::batch_norm_update_stats": "estimated",
    "aten::max_pool2d_backward": "of one device; as max_pool2d_with_indices_backward",
    "aten::linear_backward": "of one device; test_updates.py runs it",
    "aten::_embedding_bag_sparse_backward": "gives a sparse gradient; as the dense one",
    "aten::_foreach_*": "special functions, as single operators",
    "aten::_amp_update_scale": "a number for each step",
    "aten::to": "an alias of _to_copy in inference mode",
    "aten::_autocast_to_reduced_precision": "an alias of _to_copy",
    "aten::special_i0": "an alias of i0",
    "aten::special_erfinv": "an alias of erfinv",
    "aten::mvlgamma": "a sum of lgamma",
    "aten::__i*shift__": "in-place forms",
    "aten::hash_tensor": "bits",
    "aten::_test_*": "PyTorch's own tests",
    "aten::from_file": "reads a file",
    "aten::set": "changes what a tensor looks at",
    "aten::_resize_output": "changes what a tensor looks at",
    "aten::_pin_memory": "moves to the same device",
    "aten::_copy_from*": "for devices of others",
    "aten::_make_dual_copy": "forward-mode gradients",
    "aten::_fw_primal_copy": "forward-mode gradients",
    "aten::_reshape_copy": "a copy like view_copy",
    "aten::_new_zeros_with_same_feature_meta": "forward-mode gradients",
    "aten::_unsafe_masked_index": "decomposed gradients of padding; places are data",
    "aten::_masked_scale": "as native_dropout_backward",
    "aten::native_norm": "of sparse tensors",
    "aten::_philox_*": "random",
    "aten::cudnn_*": "of one device's library; as the general operator",
    "aten::_cudnn_*": "of one device's library; as the general operator",
    "aten::miopen_*": "of one device's library; as the general operator",
    "aten::_mps_*": "of one device's library; as the general operator",
    "aten::batch_norm_*": "statistics of several devices",
    "aten::conv_depthwise3d": "of one device; as convolution with a group for each channel",
}  # fmt: skip


def runs_here(name: str) -> bool:
    """Whether PyTorch has a kernel of the operator for the processor."""
    namespace, _, base = name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), base, None) or getattr(
        getattr(torch.ops, namespace), f"{base}_", None
    )
    if packet is None:
        return False
    full = {
        packet.overloads()[i]: f"{packet._qualified_op_name}.{o}".removesuffix(".default")
        for i, o in enumerate(packet.overloads())
    }
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return any(has(one, key) for one in full.values() for key in KEYS)


def sampled() -> set[str]:
    everything = (
        *elementwise.SAMPLES,
        *products.SAMPLES,
        *shaping.SAMPLES,
        *layers.SAMPLES,
        *vision.SAMPLES,
        *(c.sample for c in vision.CLOSED),
        *(c.sample for c in closed.ALL),
    )
    return {operator_info(operator_named(one.operator)).name for one in everything}


def test_every_lowering_has_a_sample_or_a_reason() -> None:
    named = {name for name in TORCH.ours if "." not in name and not name.startswith(("nncost", "my"))}
    left = named - sampled()
    without = {n for n in left if not any(fnmatch.fnmatchcase(n, pattern) for pattern in REASONS) and runs_here(n)}
    assert not without


def test_no_reason_is_idle() -> None:
    left = set(TORCH.ours) - sampled()
    idle = [pattern for pattern in REASONS if not any(fnmatch.fnmatchcase(name, pattern) for name in left)]
    assert not idle


TWICE = """
from collections import Counter
from nncost.frontends.torch.lowerings import registry
names, lowers = Counter(), registry.lowers
registry.lowers = lambda *given: (names.update(given), lowers(*given))[1]
import nncost.frontends.torch.lowerings.catalogue
print(*(name for name, count in names.items() if count > 1))
"""


def test_no_operator_is_lowered_twice() -> None:
    """Of two lowerings the one that is imported last would win, silently."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
