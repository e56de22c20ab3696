"""Networks of any kind are drawn: no label touches another, nothing is huge, nothing raises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.dims import symbol
from nncost.records import replace
from nncost.report import ReportRow
from nncost.views.drawing import network_chart
from tests.drawing.seen import check_picture

WIDTH = st.one_of(st.integers(1, 20), st.integers(1, 10**12), st.sampled_from(["h", "width", "h*3", "7*2"]))
DENSE = st.lists(WIDTH, min_size=2, max_size=14).map(lambda widths: "-".join(map(str, widths)))


@given(DENSE)
@settings(max_examples=60)
def test_widths(spec: str) -> None:
    if "*" in spec.split("-", maxsplit=1)[0]:
        spec = f"5-{spec}"
    check_picture(network_chart(nncost.count(spec)))


LAYER = st.sampled_from(
    [
        "conv 8 3x3 pad=1",
        "conv 300 1x1",
        "relu",
        "batchnorm",
        "maxpool 2",
        "dropout 0.5",
        "avgpool 2 stride=1",
        "conv 5 5x5 pad=2 stride=2",
    ]
)
SAME_SIZE = ("conv 8 3x3 pad=1", "conv 300 1x1", "relu", "batchnorm", "dropout 0.5")
HEAD = st.sampled_from(
    ["", ", flatten, dense 30, relu, dense 4", ", globalavgpool, dense 10, softmax", ", flatten, dense 3"]
)


@given(st.lists(LAYER, max_size=5), st.lists(LAYER, min_size=1, max_size=9), st.sampled_from(["", "*3", "*40"]), HEAD)
@settings(max_examples=60)
def test_convolutions(before: list[str], repeated: list[str], times: str, head: str) -> None:
    kept = [layer for layer in repeated if layer in SAME_SIZE]
    block = f"residual[conv 4 1x1, {', '.join(kept or ['relu'])}, conv 4 1x1]{times}"
    shape = ", ".join(["4x512x256", *before, "conv 4 1x1", block])
    check_picture(network_chart(nncost.count(shape + head)))


NAME = st.one_of(
    st.sampled_from(["block", "layers.0", "layers.1", "attn", "conv", "repeat.1", "residual.1", "0", "1", "", "norm"]),
    st.text(max_size=12),
)
KIND = st.one_of(
    st.sampled_from(["dense", "conv", "Conv2d", "LayerNorm", "relu", "MultiheadAttention", "add", "residual", "lstm", "maxpool", "flatten", "Embedding", "WWWWWWWWWWWWWWWWWWWWWWWWWWWW"]),
    st.text(min_size=1, max_size=40),
)  # fmt: skip
SIZE = st.one_of(
    st.integers(1, 4), st.integers(1, 10**30), st.sampled_from([symbol("h"), symbol("B") * symbol("a_long_name") + 1])
)
SHAPE = st.one_of(st.none(), st.lists(SIZE, max_size=6).map(tuple))
AMOUNT = st.one_of(st.just(0), st.integers(0, 10**40), st.just(symbol("h") ** 2))
ROW = st.builds(
    ReportRow,
    st.lists(NAME, max_size=5).map(".".join), KIND, st.just("forward"), st.just(nncost.count("1-1").rows[0].counts),
    AMOUNT, AMOUNT, st.just(0), st.one_of(st.just(1), st.integers(1, 500), st.just(symbol("L"))), st.just({}), SHAPE,
)  # fmt: skip


@given(st.lists(ROW, max_size=40), st.lists(st.tuples(st.text(max_size=8), SHAPE), max_size=5), st.booleans())
@settings(max_examples=250)
def test_reports_of_anything(
    rows: list[ReportRow], inputs: list[tuple[str, tuple[int, ...] | None]], unknown: bool
) -> None:
    report = nncost.count("2-2")
    given_inputs = {name: shape or () for name, shape in inputs} or {"x": (1, 2)}
    changed = replace(
        report,
        rows=rows,
        outputs={row.path: row.output for row in rows if row.output is not None},
        source=replace(report.source, inputs=given_inputs),
        unknown=[{"path": row.path, "op": row.op, "phase": "forward"} for row in rows[:3]] if unknown else [],
    )
    chart = network_chart(changed)
    check_picture(chart)
    assert len(str(chart.picture)) < 200_000
