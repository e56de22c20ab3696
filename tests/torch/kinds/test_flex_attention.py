"""``flex_attention``: its products, the model's functions of a score, and gradients, which PyTorch has on the GPU only."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import nncost
from nncost.frontends.torch.step.flex_attention import written_out

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 16, 8
SHAPE = (BATCH, HEADS, LENGTH, WIDTH)
DENSE = BATCH * HEADS * LENGTH * WIDTH * WIDTH
SCORES = BATCH * HEADS * LENGTH * LENGTH
PRODUCTS = 2 * SCORES * WIDTH


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def causal(b: Any, h: Any, q: Any, k: Any) -> Any:
    return q >= k


def near(score: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return score + (q - k)


def capped(score: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return torch.tanh(score / 20) * 20


class Net(nn.Module):
    def __init__(self, attend: Any = flex_attention, **options: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, WIDTH, bias=False)
        self.attend, self.options = attend, options

    def forward(self, q: Any, k: Any, v: Any) -> Any:
        return self.attend(self.dense(q), k, v, **self.options)


@pytest.mark.parametrize(
    ("options", "add", "mul", "other"),
    [({}, 0, 0, {}), ({"score_mod": near}, 1, 0, {}), ({"score_mod": capped}, 0, 1, {"tanh": 1, "div": 1})],
)
@pytest.mark.parametrize("given", [SHAPE, torch.randn(SHAPE)])
def test_products_and_what_is_done_to_each_score(options: Any, add: int, mul: int, other: Any, given: Any) -> None:
    plain = nncost.count(Net(nn.functional.scaled_dot_product_attention), (given,) * 3)
    report = nncost.count(Net(**options), (given,) * 3)
    assert report.forward.macs == plain.forward.macs == DENSE + PRODUCTS == 40_960
    assert report.forward.add == plain.forward.add + add * SCORES
    assert report.forward.mul == plain.forward.mul + mul * SCORES
    for quantity, times in other.items():
        assert getattr(report.forward, quantity) == getattr(plain.forward, quantity) + times * SCORES
    assert report.complete


@pytest.mark.parametrize("compiled", [False, True])
def test_training(compiled: bool) -> None:
    attend = torch.compile(flex_attention) if compiled else flex_attention
    plain = nncost.count(Net(nn.functional.scaled_dot_product_attention), (SHAPE,) * 3, loss="sum")
    report = nncost.count(Net(attend, score_mod=near), (SHAPE,) * 3, loss="sum")
    assert report.forward.macs == 40_960
    assert report.backward.macs == plain.backward.macs
    assert report.complete


def test_a_block_mask_counts_as_a_mask_of_all_scores() -> None:
    mask = create_block_mask(causal, 1, 1, LENGTH, LENGTH, device="cpu")
    report = nncost.count(Net(block_mask=mask), (SHAPE,) * 3, loss="sum")
    assert report.forward.macs == 40_960
    assert report.forward.cmp >= SCORES


def test_masks_made_in_the_forward_pass() -> None:
    class Made(Net):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            mask = create_block_mask(causal, 1, 1, q.shape[2], k.shape[2], device="cpu")
            return flex_attention(self.dense(q), k, v, block_mask=mask)

    assert nncost.count(Made(), (SHAPE,) * 3).forward.macs == 40_960


def test_queries_that_share_keys() -> None:
    shared = (BATCH, HEADS // 2, LENGTH, WIDTH)
    report = nncost.count(Net(enable_gqa=True), (SHAPE, shared, shared), loss="sum")
    assert (report.forward.macs, report.complete) == (40_960, True)


def test_a_learned_bias_of_scores_has_a_gradient() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.randn(HEADS))

        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score + self.bias[h])

    report = nncost.count(Biased(), (SHAPE,) * 3, loss="sum", optimizer="sgd")
    assert (report.update.mul, report.complete) == (HEADS, True)


@pytest.mark.parametrize("options", [{}, {"score_mod": near}, {"score_mod": capped}, {"block_mask": "causal"}])
def test_what_is_written_out_computes_the_same(options: Any) -> None:
    from torch.nn.attention.flex_attention import _identity, noop_mask

    q, k, v = (torch.randn(BATCH, heads, LENGTH, WIDTH) for heads in (HEADS, HEADS // 2, HEADS // 2))
    mask = create_block_mask(causal, 1, 1, LENGTH, LENGTH, device="cpu") if options.get("block_mask") else None
    score_mod = options.get("score_mod")
    expected, lse = flex_attention(q, k, v, score_mod, mask, enable_gqa=True, return_lse=True)
    masks = (noop_mask,) if mask is None else mask.as_tuple()
    kernel = {"OUTPUT_LOGSUMEXP": True}
    found = written_out(None, q, k, v, score_mod or _identity, masks, WIDTH**-0.5, kernel)
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1] * math.log(2), lse)


def test_the_check_for_gradients_is_as_before_afterwards() -> None:
    net = Net()
    nncost.count(net, (SHAPE,) * 3, loss="sum")
    with pytest.raises(NotImplementedError, match="does not support backward on CPU"):
        net(*[torch.randn(SHAPE)] * 3)
