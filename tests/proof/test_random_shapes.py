"""The self-counting run on random small shapes: no rule may hold at the chosen examples only."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nncost.errors import SpecError
from nncost.frontends.model import LoadOptions
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from tests.proof.selfcount import assert_proven

small = st.integers(1, 4)
modest = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
losses = st.sampled_from(["squared_error", "cross_entropy", "sum", "none"])


def prove(spec: str, batch: int, loss: str = "squared_error") -> None:
    """The ledger of the spec equals its run; a spec whose sizes do not fit is no example."""
    try:
        counted = count_source(spec, Settings(loss=loss, load=LoadOptions(batch=batch)))
    except SpecError:
        assume(False)
    assume(loss != "cross_entropy" or int(counted.model.graph.outputs[0].shape[-1]) > 1)  # There are two labels.
    assert_proven(counted.step.graph)


def sizes(draw: st.DrawFn, axes: int, numbers: st.SearchStrategy[int]) -> str:
    return "x".join(str(draw(numbers)) for _ in range(axes))


@st.composite
def convolutions(draw: st.DrawFn) -> str:
    axes = draw(st.sampled_from([1, 1, 2, 2, 3]))
    groups = draw(st.integers(1, 3))
    channels, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    pad = "same" if draw(st.booleans()) else sizes(draw, axes, st.integers(0, 2))
    layer = (
        f"conv {out} {sizes(draw, axes, st.integers(1, 3))} stride={sizes(draw, axes, st.integers(1, 3))} pad={pad} "
        f"dilation={sizes(draw, axes, st.integers(1, 2))} groups={groups} bias={draw(st.sampled_from(['yes', 'no']))}"
    )
    before = f"conv {channels} 1, " if draw(st.booleans()) else ""
    return f"{channels}x{sizes(draw, axes, st.integers(2, 5))}, {before}{layer}"


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> str:
    axes, groups = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    channels, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    layer = (
        f"conv_transpose {out} {sizes(draw, axes, st.integers(1, 3))} stride={sizes(draw, axes, st.integers(1, 3))} "
        f"pad={sizes(draw, axes, st.integers(0, 1))} output_pad={sizes(draw, axes, st.integers(0, 2))} "
        f"dilation={sizes(draw, axes, st.integers(1, 2))} groups={groups}"
    )
    before = f"conv {channels} 1, " if draw(st.booleans()) else ""
    return f"{channels}x{sizes(draw, axes, small)}, {before}{layer}"


@st.composite
def poolings(draw: st.DrawFn) -> str:
    axes = draw(st.integers(1, 2))
    kernel, stride, pad = (
        sizes(draw, axes, numbers) for numbers in (st.integers(1, 3), st.integers(1, 3), st.integers(0, 1))
    )
    layer = draw(
        st.sampled_from(
            [
                f"maxpool {kernel} stride={stride} pad={pad}", f"maxpool {kernel} stride={stride} dilation=2",
                f"avgpool {kernel} stride={stride} pad={pad}", f"adaptive_avgpool {kernel}", f"adaptive_maxpool {kernel}",
                "global_avgpool", "global_maxpool",
            ]
        )
    )  # fmt: skip
    return f"2x{sizes(draw, axes, st.integers(1, 6))}, conv 2 1, {layer}"


@st.composite
def attentions(draw: st.DrawFn) -> str:
    groups, shared, width = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    heads = groups * shared
    causal, bias = draw(st.sampled_from(["", " causal"])), draw(st.sampled_from(["yes", "no"]))
    before = f"dense {heads * width}, " if draw(st.booleans()) else ""
    return f"{draw(small)}x{heads * width}, {before}attention heads={heads} kv_heads={groups}{causal} bias={bias}"


@st.composite
def recurrences(draw: st.DrawFn) -> str:
    kind, flags = (
        draw(st.sampled_from(["rnn", "lstm", "gru"])),
        draw(st.sampled_from(["", " last", " bidirectional", " bidirectional last"])),
    )
    before = f"dense {draw(small)}, " if draw(st.booleans()) else ""
    after = f", dense {draw(small)}" if draw(st.booleans()) else ""
    layer = f"{kind} {draw(small)} layers={draw(st.integers(1, 2))} biases={draw(st.integers(1, 2))}{flags}"
    return f"{draw(st.integers(1, 5))}x{draw(small)}, {before}{layer}{after}"


@st.composite
def norms(draw: st.DrawFn) -> str:
    groups = draw(st.integers(1, 2))
    channels = groups * draw(small)
    layer = draw(
        st.sampled_from(
            [
                "batchnorm",
                "layernorm",
                "rmsnorm",
                f"groupnorm {groups}",
                "instancenorm",
                "instancenorm affine",
                f"lrn {draw(st.integers(1, 5))}",
            ]
        )
    )
    before = f"conv {channels} 1, " if draw(st.booleans()) else ""
    return f"{channels}x{sizes(draw, draw(st.integers(1, 2)), small)}, {before}{layer}, relu"


@st.composite
def repeats(draw: st.DrawFn) -> str:
    width, inner = draw(small), draw(small)
    block = draw(
        st.sampled_from(
            [
                f"dense {width}, tanh", f"residual[dense {inner}, gelu, dense {width}]", f"[dense {inner}, silu]*{draw(small)}, dense {width}",
                f"residual[layernorm, dense {width}], rmsnorm", f"dense {inner}",
            ]
        )
    )  # fmt: skip
    return f"{draw(st.sampled_from([width, inner, 3]))}, [{block}]*{draw(st.integers(1, 4))}, dense {draw(small)}"


@modest
@given(convolutions(), st.integers(1, 2), losses)
def test_random_convolution(spec: str, batch: int, loss: str) -> None:
    prove(spec, batch, loss)


@modest
@given(transposed_convolutions(), st.integers(1, 2))
def test_random_transposed_convolution(spec: str, batch: int) -> None:
    prove(spec, batch)


@modest
@given(poolings(), st.integers(1, 2))
def test_random_pooling(spec: str, batch: int) -> None:
    prove(spec, batch)


@modest
@given(attentions(), st.integers(1, 2), losses)
def test_random_attention(spec: str, batch: int, loss: str) -> None:
    prove(spec, batch, loss)


@modest
@given(recurrences(), st.integers(1, 2), losses)
def test_random_recurrence(spec: str, batch: int, loss: str) -> None:
    prove(spec, batch, loss)


@modest
@given(norms(), st.integers(1, 2))
def test_random_norm(spec: str, batch: int) -> None:
    prove(spec, batch)


@modest
@given(repeats(), st.integers(1, 2), losses)
def test_random_repeat(spec: str, batch: int, loss: str) -> None:
    prove(spec, batch, loss)


@modest
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5), st.sampled_from(["sigmoid", "relu", "mish"]), st.integers(1, 3)
)
def test_random_widths(widths: list[int], activation: str, batch: int) -> None:
    counted = count_source("-".join(map(str, widths)), Settings(load=LoadOptions(batch=batch, activation=activation)))
    assert_proven(counted.step.graph)
