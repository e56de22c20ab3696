"""The layers of a report in the order in which they run, each of a family that decides how it is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nncost.dims import Dim, Shape, exact_divide, is_symbolic, product
from nncost.records import record
from nncost.report import Report, ReportRow

DENSE, CONV, POOL, ACTIVATION, NORM, DROPOUT = "dense", "conv", "pool", "activation", "norm", "dropout"
MOVE, JOIN, RECURRENT, ATTENTION, EMBEDDING = "move", "join", "recurrent", "attention", "embedding"
OTHER, UNKNOWN = "other", "unknown"

_FAMILIES = tuple(
    (family, re.compile(words))
    for family, words in (
        (ATTENTION, r"attention|attn"),
        (EMBEDDING, r"embedding"),
        (RECURRENT, r"lstm|gru|rnn|mamba"),
        (NORM, r"norm|^lrn$|lrn|frozenbn"),
        (POOL, r"pool"),
        (CONV, r"conv"),
        (DROPOUT, r"drop"),
        (ACTIVATION, r"relu|gelu|elu$|silu|swish|sigmoid|tanh|softmax|softplus|softsign|mish|activation|^erf$|glu$|shrink|softmin"),
        (DENSE, r"^(lazy|non.*)?linear(1d)?$|^dense$|^gemm$|linear$|^fc$"),
        (MOVE, r"^(flatten|reshape|identity|transpose|permute|unflatten|squeeze|unsqueeze|pad|cast|slice|concat|upsample|resize|chunk|split)"),
        (JOIN, r"^(add|residual|sum|sub|mul)$"),
    )
)  # fmt: skip
"""The first whose words stand in the operation's name, in small letters."""


@record
class Layer:
    """One operation of a layer in the forward pass; parameters are those of all its repetitions."""

    path: str
    kind: str
    family: str
    output: Shape | None
    weights: Dim = 0
    biases: Dim = 0
    other: Dim = 0
    times: Dim = 1

    @property
    def parameters(self) -> Dim:
        """Weights, biases and others."""
        return self.weights + self.biases + self.other

    @property
    def values(self) -> Dim | None:
        """How many numbers it returns for an example: the product of its shape without the first axis."""
        return None if self.output is None else product(example(self.output))


def layers_of(report: Report) -> list[Layer]:
    """The forward pass, unknown operations at their places."""
    unknown = {(item["path"], item["op"]) for item in report.unknown if item.get("phase", "forward") == "forward"}
    found = [_layer(row, unknown) for row in report.rows if row.phase == "forward"]
    present = {(layer.path, layer.kind) for layer in found}
    missing = [
        Layer(path, kind, UNKNOWN, report.outputs.get(path))
        for path, kind in sorted(unknown)
        if (path, kind) not in present
    ]
    order = {path: i for i, path in enumerate(report.outputs)}
    return list(_inserted(_as_they_end(found, order), missing, order))


def family_of(kind: str) -> str:
    """What an operation is drawn as, by its name."""
    if kind == "Conv1D":  # What transformers calls a dense layer; PyTorch's convolution is Conv1d.
        return DENSE
    name = kind.lower()[:80]
    return next((family for family, words in _FAMILIES if words.search(name)), OTHER)


def example(shape: Shape) -> Shape:
    """A shape without its first axis, which counts examples, where there are several."""
    return shape[1:] if len(shape) > 1 else shape


def each_of(amount: Dim, times: Dim) -> Dim | None:
    """An amount of one of ``times`` repetitions; None where they differ."""
    if times == 1 or amount == 0:
        return amount
    if not is_symbolic(amount) and not is_symbolic(times):
        quotient, rest = divmod(amount, times)
        return None if rest else quotient
    return _tidy_quotient(amount, times)


def _tidy_quotient(amount: Dim, times: Dim) -> Dim | None:
    import sympy

    quotient = sympy.cancel(
        sympy.sympify(exact_divide(amount, times)) if is_symbolic(times) else sympy.sympify(amount) / times
    )
    return None if quotient.has(sympy.Sum) or sympy.denom(quotient) != 1 else quotient


def _layer(row: ReportRow, unknown: set[tuple[str, str]]) -> Layer:
    family = UNKNOWN if (row.path, row.op) in unknown else family_of(row.op)
    return Layer(row.path, row.op, family, row.output, row.weights, row.biases, row.other, row.times)


def _as_they_end(layers: list[Layer], order: dict[str, int]) -> list[Layer]:
    """Layers in the order in which they end, which modules need not be defined in; others stay behind the one before."""
    places, last = [], -1
    for layer in layers:
        place = order.get(layer.path, last)
        places.append(place)
        last = place if layer.path else last  # The whole network ends last, and what follows it is inside.
    return [layers[i] for i in sorted(range(len(layers)), key=places.__getitem__)]


def _inserted(found: list[Layer], missing: list[Layer], order: dict[str, int]) -> Iterator[Layer]:
    """Each missing layer before the first one that ends after it; at the end where nothing tells."""
    waiting = sorted(missing, key=lambda layer: order.get(layer.path, len(order)))
    for layer in found:
        while waiting and order.get(waiting[0].path, len(order)) < order.get(layer.path, -1):
            yield waiting.pop(0)
        yield layer
    yield from waiting
