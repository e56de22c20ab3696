"""Samples: arithmetic on elements, special functions, activations."""

from __future__ import annotations

import torch

from tests.torch.lowerings.making import ints, positive, rand, sample

ANY = ("exp", "sin", "cos", "erf", "neg", "abs", "floor", "ceil", "round", "sign", "sgn", "trunc", "positive", "square",
       "tan", "expm1", "sinh", "cosh", "asinh", "erfc", "exp2", "frac", "tanh", "sigmoid", "isnan", "isinf", "isposinf",
       "isneginf", "isfinite", "conj_physical", "_conj_physical", "resolve_conj", "resolve_neg", "clone", "contiguous",
       "relu", "relu6", "silu", "mish", "hardsigmoid", "hardswish", "gelu", "elu", "leaky_relu", "hardtanh", "softplus",
       "hardshrink", "softshrink", "sinc", "special_sinc", "special_erfc", "logical_not", "log_sigmoid_forward")  # fmt: skip
BETWEEN = ("log", "sqrt", "rsqrt", "reciprocal", "log1p", "log2", "log10", "atanh", "logit", "special_logit")
PAIRS = ("add.Tensor", "sub.Tensor", "rsub.Tensor", "mul.Tensor", "div.Tensor", "true_divide.Tensor", "floor_divide",
         "maximum", "minimum", "fmax", "fmin", "gt.Tensor", "ge.Tensor", "lt.Tensor", "le.Tensor", "eq.Tensor", "ne.Tensor",
         "remainder.Tensor", "fmod.Tensor", "hypot", "logical_and", "logical_or", "logical_xor")  # fmt: skip
BITS = (
    "bitwise_and.Tensor",
    "bitwise_or.Tensor",
    "bitwise_xor.Tensor",
    "__and__.Tensor",
    "__or__.Tensor",
    "__xor__.Tensor",
)
X, Y, P, Q = rand(2, 3), rand(2, 3), positive(2, 3), positive(2, 3)
B, C = ints(2, 2, 3).bool(), ints(2, 2, 3).bool()

SAMPLES = (
    *(sample(name, X * 2.5) for name in ANY),
    *(sample(name, P) for name in BETWEEN),
    *(sample(name, X, Y) for name in PAIRS),
    *(sample(name, ints(8, 2, 3), ints(8, 2, 3)) for name in BITS),
    sample("logical_not", B), sample("bitwise_not", ints(8, 2, 3)), sample("logical_and", B, C),
    sample("acosh", P + 1),
    sample("add.Tensor", X, rand(3), alpha=0.5), sample("add.Tensor", X, 2.0), sample("sub.Tensor", X, Y, alpha=3),
    sample("rsub.Tensor", X, Y, alpha=2), sample("rsub.Scalar", X, 1.5), sample("mul.Tensor", X, ints(4, 2, 3)),
    sample("div.Tensor_mode", X, Y, rounding_mode="trunc"), sample("div.Tensor_mode", X, Y, rounding_mode="floor"),
    sample("div.Tensor", ints(8, 3), ints(7, 3) + 1), sample("floor_divide", ints(9, 3), ints(3, 3) + 1),
    sample("div.Scalar", X, 3.0), sample("round.decimals", X, decimals=2),
    *(sample("pow.Tensor_Scalar", P, e) for e in (0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 2.5)),
    sample("pow.Tensor_Tensor", P, Q), sample("pow.Scalar", 2.0, X), sample("pow.Tensor_Scalar", ints(5, 3), 2),
    sample("gt.Scalar", X, 0.5), sample("lt.Scalar", ints(5, 3), 2), sample("eq.Tensor", ints(3, 4), ints(3, 4)),
    sample("eq.Tensor", B, C), sample("isfinite", ints(3, 4)),
    sample("where.self", B, X, Y), sample("where.self", B, X, torch.tensor(0.0, dtype=torch.float64)),
    sample("masked_fill.Scalar", X, B, 0.5), sample("masked_fill.Tensor", X, B, torch.tensor(2.0, dtype=torch.float64)),
    sample("clamp", X, -0.5, 0.5), sample("clamp", X, None, 0.1), sample("clamp.Tensor", X, Y - 1, Y + 1),
    sample("clip", X, -0.3), sample("clamp_min", X, 0.0), sample("clamp_max.Tensor", X, Y),
    sample("lerp.Scalar", X, Y, 0.3), sample("lerp.Tensor", X, Y, P), sample("addcmul", X, Y, P, value=0.5),
    sample("addcdiv", X, Y, P, value=2), sample("addcdiv", X, Y, P),
    sample("_to_copy", X, dtype=torch.float32), sample("_to_copy", ints(4, 3), dtype=torch.float64),
    sample("copy", X, rand(3)), sample("copy", ints(4, 3), ints(4, 3).double()),
    sample("logit", P, 0.05), sample("logit_backward", X, P, 0.05), sample("logit_backward", X, P),
    sample("gelu", X, approximate="tanh"), sample("elu", X, 1.3, 1.1), sample("elu", X, 0.7, 1.0, 0.5),
    sample("leaky_relu", X, 0.2), sample("hardtanh", X, -0.4, 0.6), sample("softplus", X, 2.0),
    sample("_prelu_kernel", X, rand(1, 3)), sample("prelu", X, rand(3)), sample("threshold", X, 0.1, -2.0),
    sample("hardshrink", X, 0.3), sample("softshrink", X, 0.3), sample("glu", rand(2, 4)), sample("glu", rand(4, 3), 0),
    sample("rrelu_with_noise", X, torch.zeros_like(X), 0.1, 0.3, False, results=(0,)),
    sample("rrelu_with_noise_functional", X, torch.zeros_like(X), 0.1, 0.3, False, results=(0,)),
    sample("rrelu_with_noise_backward", X, Y, P, 0.1, 0.3, True, False),
    sample("rrelu_with_noise_backward", X, Y, P, 0.1, 0.3, False, False),
    sample("_softmax", X, 1, False), sample("_softmax", rand(2, 3, 4), 1, False), sample("softmax.int", X, -1),
    sample("_log_softmax", X, 1, False), sample("log_softmax.int", X, 0),
    sample("fake_quantize_per_tensor_affine_cachemask", X.float(), 0.1, 2, -8, 7),
    sample("fake_quantize_per_channel_affine_cachemask", X.float(), positive(2).float() / 4, ints(2, 2).int(), 0, -8, 7),
    sample("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", X.float(), torch.tensor(0.1), torch.tensor(1).int(),
           torch.tensor(1), -8, 7),
    sample("_fake_quantize_learnable_per_tensor_affine", X.float(), torch.tensor([0.1]), torch.tensor([0.0]), -8, 7),
    *(sample(f"prims::{name}", X) for name in ("abs", "exp", "floor", "neg", "sin", "tanh", "trunc", "clone", "erf")),
    *(sample(f"prims::{name}", X, Y) for name in ("add", "sub", "mul", "div", "maximum", "gt", "eq")),
    sample("prims::where", B, X, Y), sample("prims::pow", P, Q), sample("prims::sum", X, [1]), sample("prims::amax", X, [0]),
    sample("prims::convert_element_type", X, torch.float32), sample("prims::cat", [X, Y], 0), sample("prims::rev", X, [0]),
    sample("prims::fill", X, 1.5), sample("prims::full_like", X, 2.0, dtype=torch.float64, device=torch.device("cpu"),
                                          requires_grad=False),
    sample("celu", X, 0.7), sample("deg2rad", X), sample("rad2deg", X), sample("copysign.Tensor", X, Y), sample("copysign.Scalar", X, -2.0),
    sample("heaviside", X, Y), sample("ldexp.Tensor", X, Y), sample("nan_to_num", X / torch.tensor([0.0, 1, 1]).double(), 0.5, 3.0, -4.0),
    sample("xlogy.Tensor", X, P), sample("special_xlog1py", X, P), sample("special_entr", P), sample("logaddexp", X, Y),
    sample("logaddexp2", X, Y), *(sample("dist", X, Y, p) for p in (1, 2, 3, float("inf"))), sample("linalg_cross", X, Y),
    sample("linalg_cross", rand(3, 2), rand(3, 1), dim=0), sample("renorm", X, 2, 0, 0.5), sample("renorm", X, 1, 1, 0.5),
    # Gradients.
    sample("sigmoid_backward", Y, torch.sigmoid(X)), sample("tanh_backward", Y, torch.tanh(X)),
    sample("silu_backward", Y, X), sample("mish_backward", Y, X), sample("hardsigmoid_backward", Y, 2 * X),
    sample("hardswish_backward", Y, 2 * X), sample("hardtanh_backward", Y, X, -0.5, 0.5), sample("gelu_backward", Y, X),
    sample("gelu_backward", Y, X, approximate="tanh"), sample("leaky_relu_backward", Y, X, 0.1, False),
    sample("softplus_backward", Y, X, 1.0, 20.0), sample("softplus_backward", Y, X, 2.0, 20.0),
    sample("log_sigmoid_backward", Y, X, torch.exp(-X.abs())), sample("elu_backward", Y, 1.3, 1.1, 1.0, False, X),
    sample("elu_backward", Y, 1.3, 1.0, 0.5, False, X),
    sample("elu_backward", Y, 1.3, 1.1, 1.0, True, torch.ops.aten.elu(X, 1.3, 1.1)),
    sample("threshold_backward", Y, X, 0), sample("threshold_backward", Y, X, 0.25),
    sample("softshrink_backward", Y, X, 0.4), sample("hardshrink_backward", Y, X, 0.4),
    sample("_prelu_kernel_backward", Y, X, rand(1, 3)), sample("glu_backward", rand(2, 2), rand(2, 4), 1),
    sample("_softmax_backward_data", Y, torch.softmax(X, 1), 1, torch.float64),
    sample("_log_softmax_backward_data", Y, torch.log_softmax(X, 1), 1, torch.float64),
)  # fmt: skip
