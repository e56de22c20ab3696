"""Which remedies apply to what, and that each runs the same network and changes nothing of the user's."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from nncost.timing.measure.step import Stepper
from nncost.timing.what_helps import threads as threads_module
from nncost.timing.what_helps.attention import Attention, fused_attention
from nncost.timing.what_helps.batch import TIMES, larger_batch
from nncost.timing.what_helps.channels_last import channels_last
from nncost.timing.what_helps.number_type import number_type
from nncost.timing.what_helps.optimizer_kernels import optimizer_kernels
from nncost.timing.what_helps.race import steps_of
from nncost.timing.what_helps.remedies import REMEDIES
from nncost.timing.what_helps.threads import threads, threads_set
from nncost.timing.what_helps.trial import Case, Part, Variant
from tests.timing.what_helps.cases import ByProducts, case_of, images

IMAGES = "2x3x6x6"
TOKENS = "2x5x8"


def variant_of(case: Case, remedy: Any, position: int = 0) -> Variant:
    trial = list(remedy(case))[position].trial
    assert isinstance(trial, Variant)
    return trial


def test_a_user_s_module_is_as_before_whatever_is_tried() -> None:
    module = images()
    before = copy.deepcopy(module.state_dict())
    strides = [parameter.stride() for parameter in module.parameters()]
    with case_of(module, IMAGES, loss="cross_entropy", optimizer="adam") as case:
        tried = 0
        for remedy in REMEDIES:
            for attempt in remedy(case):
                assert isinstance(attempt.trial, Variant)
                with steps_of(case, attempt.trial) as seconds:
                    assert seconds() > 0
                tried += 1
    assert tried >= 5
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert [parameter.stride() for parameter in module.parameters()] == strides
    assert all(p.grad is None and p.dtype is torch.float32 for p in module.parameters())


def test_threads_are_those_that_are_not_used_now_and_are_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "available_cores", lambda: 8)
    now = torch.get_num_threads()
    with case_of("4-3-2") as case:
        counts = [int(attempt.what.split()[0]) for attempt in threads(case)]
    assert counts == sorted({1, 4, 8} - {now}, reverse=True)
    seen: list[int] = []

    def fails() -> None:
        with threads_set(now + 1):
            seen.append(torch.get_num_threads())
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fails()
    assert [*seen, torch.get_num_threads()] == [now + 1, now]


def test_channels_last_is_for_convolutions_that_do_not_have_it() -> None:
    with case_of("4-3-2") as case:
        assert not list(channels_last(case))
    with case_of(images(), IMAGES) as case:
        variant = variant_of(case, channels_last)
        assert variant.given(case.subject.given).args[0].is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(variant.given(case.subject.given).args[0], case.subject.given.args[0])
    with case_of(images().to(memory_format=torch.channels_last), IMAGES) as case:  # type: ignore[call-overload]
        assert not list(channels_last(case))


@pytest.mark.parametrize(
    ("dtype", "loss", "runs_in"),
    [
        (torch.float32, None, torch.bfloat16),
        (torch.float32, "squared_error", torch.bfloat16),
        (torch.bfloat16, "squared_error", torch.float32),
    ],
)
def test_another_type_gives_what_the_loss_takes(dtype: torch.dtype, loss: str | None, runs_in: torch.dtype) -> None:
    with case_of(nn.Linear(8, 4).to(dtype), "3x8", loss=loss) as case:
        variant = variant_of(case, number_type)
        other = variant.module(copy.deepcopy(case.subject.module))
        ran: list[torch.dtype] = []
        other.get_submodule("module").register_forward_hook(lambda layer, args, result: ran.append(result.dtype))
        assert other(*case.subject.given.args).dtype is dtype
        assert ran == [runs_in]


def test_other_types_are_left_alone() -> None:
    with case_of(nn.Linear(8, 4).double(), "3x8") as case:
        assert not list(number_type(case))


def test_forms_of_an_optimizer_update_alike() -> None:
    module = nn.Linear(8, 4)
    with case_of(module, "3x8", loss="squared_error", optimizer="adam") as case:
        results = []
        for position in (None, 0, 1):
            stepper = Stepper(case.subject)
            if position is not None:
                assert stepper.optimizer is not None
                variant_of(case, optimizer_kernels, position).tuned(stepper.optimizer)
            stepper.step()
            results.append(stepper.module.weight.detach().clone())  # type: ignore[operator,union-attr]
    assert not torch.equal(results[0], module.weight)
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(results[0], results[2], atol=1e-6)


def test_an_optimizer_without_such_forms_or_one_that_has_it_on() -> None:
    module = nn.Linear(8, 4)
    for optimizer, forms in (
        ("lion", []),
        ("sgd", ["fused", "foreach"]),
        (torch.optim.AdamW(module.parameters(), fused=True), ["foreach"]),
        (None, []),
    ):
        loss = None if optimizer is None else "squared_error"
        with case_of(module, "3x8", loss=loss, optimizer=optimizer) as case:
            assert [attempt.what.split()[1] for attempt in optimizer_kernels(case)] == forms


def test_an_update_that_hardly_matters_is_not_tried_in_other_forms() -> None:
    from nncost.records import replace
    from nncost.timing.measure.step import StepSeconds

    with case_of("4-3-2", optimizer="adam") as case:
        assert list(optimizer_kernels(case))
        assert not list(optimizer_kernels(replace(case, usual=StepSeconds(1.0, 1.0, 0.001))))


def test_a_larger_batch_has_so_many_rows() -> None:
    with case_of(images(), IMAGES, loss="cross_entropy") as case:
        variant = variant_of(case, larger_batch)
        assert (variant.batch, variant.examples) == (2 * TIMES, TIMES)
        rows: list[int] = []
        from nncost.timing.what_helps import race

        with race._subject_of(case, variant) as subject:
            rows.append(len(subject.given.args[0]))
        assert rows == [2 * TIMES]


@pytest.mark.parametrize("masked", [False, True])
def test_attention_by_products_is_found_with_its_sizes(*, masked: bool) -> None:
    module = nn.Sequential(ByProducts(masked=masked), ByProducts(masked=masked))
    with case_of(module, TOKENS, loss="squared_error") as case:
        (attempt,) = fused_attention(case)
        assert isinstance(attempt.trial, Part)
        assert attempt.trial.times == 2
        assert "2 attentions" in attempt.what
        attempt.trial.now()
        attempt.trial.then()
        from nncost.frontends.torch.allocation.recorder import record_step
        from nncost.timing.what_helps.attention import attentions

        found = set(attentions(record_step(case.subject.module, case.subject.given, case.subject.options).operators))
    assert found == {Attention(4, 5, 5, 4, 4, masked, torch.float32)}


def test_a_softmax_that_is_no_attention_and_attention_that_is_one_operator() -> None:
    for source, inputs in (("8, dense 4, softmax", None), ("5x8, attention heads=2", None), (nn.Softmax(-1), "2x3")):
        with case_of(source, inputs) as case:
            assert not list(fused_attention(case))


def test_models_of_transformers_are_told_to_use_it() -> None:
    pytest.importorskip("transformers")
    from nncost.frontends.huggingface.transformers import transformers as library

    transformers = library()
    config = transformers.GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=20, n_positions=8)
    config._attn_implementation = "eager"
    model = transformers.GPT2LMHeadModel(config)
    with case_of(model, {"input_ids": "1x8:int64"}) as case:
        copied = variant_of(case, fused_attention).module(copy.deepcopy(case.subject.module))
    assert copied.config._attn_implementation == "sdpa"
    assert model.config._attn_implementation == "eager"
