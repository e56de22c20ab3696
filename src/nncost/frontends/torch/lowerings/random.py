"""Random numbers and drawing by them."""

from __future__ import annotations

from nncost.dims import ceil_log2
from nncost.frontends.torch.lowerings.operands import algorithm, cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.sequence import masked_dropout


@lowers("aten::rand", "aten::randn", "aten::rand_like", "aten::randn_like", "aten::uniform", "aten::normal",
        "aten::normal_functional", "aten::randint", "aten::randint_like", "aten::exponential", "aten::log_normal",
        "aten::cauchy", "aten::geometric", "aten::random", "aten::poisson", "aten::randperm", "aten::_standard_gamma",
        "aten::_sample_dirichlet", "aten::binomial", "aten::_philox_normal", "aten::_philox_uniform", "aten::_fill_mem_eff_dropout_mask",
    "rngprims::philox_rand")  # fmt: skip
def _random(call: Call) -> Tensor:
    """One random number per element, of whichever distribution."""
    return cast(call.builder, call.builder.emit(ops.Random(call.shape)), call.dtype)


@lowers("aten::bernoulli")
def _bernoulli(call: Call) -> Tensor:
    """A random number compared with the probability: 1 random, 1 cmp."""
    b, chance = call.builder, call.get("p", call.get("self"))
    numbers = b.emit(ops.Random(call.shape))
    limit = cast(b, chance, numbers.dtype) if isinstance(chance, Tensor) else float(chance)
    return cast(b, b.map("greater", limit, numbers), call.dtype)


@lowers("aten::multinomial")
def _multinomial(call: Call) -> Tensor:
    """With replacement: cumulative shares (n add, n div), then for each draw a random number and a binary search.

    Without: a random number and a division per share, then the largest.
    """
    x = call.tensor("self")
    draws, shares, steps = call.elements, x.elements, ceil_log2(x.shape[-1] + 1)
    if call.get("replacement", False):
        counts = {"add": shares, "div": shares, "random": draws, "cmp": draws * steps}
    else:
        counts = {"random": shares, "div": shares, "cmp": shares * steps}
    return algorithm(call, counts, estimated=True)[0]


@lowers("aten::native_dropout")
def _native_dropout(call: Call) -> Lowered:
    """1 random, 1 cmp, 2 mul per element in training."""
    b, x = call.builder, call.tensor("input")
    if call.get("train", True) is False:
        return b.map("identity", x), None
    return masked_dropout(b, x, float(call.get("p", 0.5)))


@lowers("aten::native_dropout_backward", "aten::_masked_scale")
def _native_dropout_backward(call: Call) -> Tensor:
    b = call.builder
    g = call.tensor("grad_output" if "grad_output" in call.arguments else "self")
    return b.map("mul", b.map("mul", g, cast(b, call.tensor("mask"), g.dtype)), float(call.get("scale", 1.0)))


@lowers("aten::_standard_gamma_grad", "aten::_dirichlet_grad")
def _gamma_gradient(call: Call) -> Tensor:
    """A rational approximation: some twenty products and sums, and two elementary functions."""
    amount = call.elements
    return algorithm(call, {"mul": 20 * amount, "add": 20 * amount, "exp": amount, "log": amount}, estimated=True)[0]
