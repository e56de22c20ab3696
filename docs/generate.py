"""Write the tables of the documents from the code: ``python docs/generate.py``; ``--check`` only compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import onnx_operators

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.ledger import Ledger, count_graph
from nncost.counting.quantities import PRIMITIVE
from nncost.dims import symbol
from nncost.frontends import registry
from nncost.frontends.huggingface.quantization.methods import METHODS
from nncost.frontends.model import LoadOptions
from nncost.frontends.operators import COUNTED, DECOMPOSED, FREE, TREATMENTS, UNKNOWN
from nncost.frontends.spec import grammar, sizes
from nncost.frontends.spec import layers as layer_limits
from nncost.frontends.spec import sequence as comma_form
from nncost.frontends.spec.kinds import layer_table, pool, sequence
from nncost.frontends.spec.layer_names import ALIASES as LAYER_ALIASES
from nncost.frontends.spec.layer_names import ARGUMENTS as ARGUMENT_ALIASES
from nncost.frontends.weight_formats import WEIGHT_FORMATS
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.scalars import SCALARS
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.notation.formula import formula_of
from nncost.pipeline.choices import ALIASES as VALUE_ALIASES
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from nncost.web.answers.settings import SETTINGS as WEB_SETTINGS
from nncost.web.server.limits import limit_rows

FOLDER = Path(__file__).parent
MARKER = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

RESIDUAL = ("residual", "N, residual[relu]")


def main(check: bool) -> int:
    """Rewrite (or compare) every document with markers; 1 where one is out of date."""
    stale = []
    for path in sorted(FOLDER.glob("*.md")):
        old = path.read_text()
        if check and not _of_what_is_installed(path.name, old):
            continue
        new = MARKER.sub(lambda match: match[1] + "\n".join(TABLES[match[2]]()) + "\n" + match[3], old)
        if new != old:
            stale.append(path.name)
            if not check:
                path.write_text(new)
    if stale and check:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run python docs/generate.py\n")
    return int(bool(stale) and check)


COVERAGE = {"coverage-torch.md": ("torch", "PyTorch"), "coverage-onnx.md": ("onnx", "onnx")}
"""The documents about one version of a framework: its package, and what the document calls it."""


def _of_what_is_installed(name: str, text: str) -> bool:
    """Whether the framework is here in the version that a document is about: operators differ between versions."""
    if name not in COVERAGE:
        return True
    package, title = COVERAGE[name]
    try:
        version = metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return False
    return f"{title} {version}:" in text


def coverage_onnx() -> list[str]:
    """Every operator of ONNX, by how it is treated, with its official cases and the peers that list it."""
    covered, (passed, cases) = registry.coverage("onnx"), onnx_operators.totals()
    sums = [[f"`{name}`", *map(str, covered.amounts(name).values())] for name in covered.namespaces]
    sums.append(["all", *map(str, covered.amounts().values())])
    lines = [f"onnx {covered.version}: {len(covered.operators)} operators; {passed:,} of {cases:,} cases pass.", ""]
    lines += [*_table(["domain", *covered.treatments], iter(sums)), ""]
    return lines + _table(onnx_operators.TITLES, onnx_operators.rows(covered))


def coverage_torch() -> list[str]:
    """Every operator of PyTorch that models run, by how it is treated."""
    covered = registry.coverage("torch")
    rows = [[f"`{name}`", *map(str, covered.amounts(name).values())] for name in covered.namespaces]
    rows.append(["all", *map(str, covered.amounts().values())])
    lines = [f"PyTorch {covered.version}: {len(covered.operators)} overloads of operators.", ""]
    lines += _table(["namespace", *TREATMENTS], iter(rows))
    for treatment in (UNKNOWN, DECOMPOSED, FREE, COUNTED):
        for namespace in covered.namespaces:
            names = [name.partition("::")[2] for name in covered.names(treatment, namespace)]
            if names:
                lines += ["", f"**{treatment}**, `{namespace}`: " + " ".join(f"`{name}`" for name in names)]
    return lines


def onnx_unknown() -> list[str]:
    """The operators of ONNX that are unknown, with the reasons."""
    by_reason: dict[str, list[str]] = {}
    for operator in registry.coverage("onnx").operators:
        if operator.reason:
            by_reason.setdefault(operator.reason, []).append(operator.name)
    return _table(["operators", "why"], ((_codes(names), reason) for reason, names in by_reason.items()))


def _table(titles: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def other_names() -> list[str]:
    """What layers, their arguments and the values of options are called elsewhere."""
    rows = [*_named("layer", LAYER_ALIASES), *((f"`{name}=`", _codes(also)) for name, also in ARGUMENT_ALIASES.items())]
    rows += [
        row
        for option, aliases in VALUE_ALIASES.items()
        if option != "activation"
        for row in _named(f"--{option}", aliases)
    ]
    return _table(["name", "also"], iter(rows))


def weight_formats() -> list[str]:
    """What ``--dtype`` takes for the weights of a configuration; bits of a matrix of 4,096 × 4,096."""
    rows = (
        (f"`{name}`", f"{8 * form.packing.bytes_of(SIDE, SIDE) / SIDE**2:.5g}", form.scales, form.source)
        for name, form in WEIGHT_FORMATS.items()
    )
    return _table(["`--dtype`", "bits a weight", "scales", "as"], rows)


SIDE = 4_096


def quantizations() -> list[str]:
    """The methods of ``quantization_config`` that are applied, with what is said of each."""
    rows = ((f"`{name}`", _sentence(method)) for name, method in METHODS.items())
    return _table(["`quant_method`", "weights"], rows)


def _sentence(method: Callable[..., object]) -> str:
    """The first line of a docstring, without its full stop."""
    return (method.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _named(what: str, aliases: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(aliases.values()):
        shown = f"`{name}`" if what == "layer" else f"`{what} {name}`"
        yield shown, _codes([also for also, meant in aliases.items() if meant == name and "." not in also])


def _codes(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _amounts(ledger: Ledger, phase: str) -> str:
    totals = {name: ledger.amount(name, phase) for name in (*PRIMITIVE, "activations")}  # type: ignore[arg-type]
    shown = (f"{name} `{formula_of(name, amount).factored}`" for name, amount in totals.items() if amount != 0)
    return "<br>".join(shown) or "free"


def scalars() -> list[str]:
    """Every elementwise function and what one element costs."""
    rows = ((f"`{name}`", ", ".join(f"{n} {q}" for q, n in f.counts.items()) or "free") for name, f in SCALARS.items())
    return _table(["function", "one element"], rows)


def composites() -> list[str]:
    """Every composite with its counts for a batch of B, forward and backward (input gradient included)."""
    shown = [(name, spec) for name, kind in layer_table().items() for spec in kind.examples]
    rows = (_composite(name, spec) for name, spec in (*shown, RESIDUAL))
    return _table(["composite", "smallest spec, in training", "forward", "backward"], rows)


def _composite(name: str, spec: str) -> tuple[str, str, str, str]:
    model = registry.load(spec, LoadOptions(batch=symbol("B"), training=True))
    b = Builder(training=True)
    gradient = b.input(model.graph.outputs[0].shape)
    wanted = {p.tensor: p.path for p in model.graph.parameters if p.trainable}
    wanted |= {tensor: "" for tensor in model.graph.inputs if tensor.dtype == "float32"}
    _, forward = differentiate(b, model.graph.items, [(model.graph.outputs[0], gradient)], wanted)
    b.items[:0] = forward
    ledger = count_graph(b.graph(model.graph.outputs[0]))
    return name, f"`{spec}`", _amounts(ledger, "forward"), _amounts(ledger, "backward")


def losses() -> list[str]:
    """Every loss on B examples of C outputs."""

    def row(name: str) -> tuple[str, str]:
        ledger = count_source("N, dense C", Settings(loss=name, load=LoadOptions(batch=symbol("B")))).ledger
        return f"`{name}`", _amounts(ledger, "loss")

    return _table(["loss", "value and gradient at the output"], map(row, LOSSES))


def optimizers() -> list[str]:
    """Every optimizer on one parameter."""

    def row(name: str) -> tuple[str, str, str]:
        ledger = count_source("1, dense 1 bias=no", Settings(optimizer=name)).ledger
        return f"`{name}`", f"`{OPTIMIZERS[name].formula}`", _amounts(ledger, "update")

    return _table(["optimizer", "update", "one parameter"], map(row, OPTIMIZERS))


def conventions() -> list[str]:
    """Every convention and its weights."""
    return _table(["name", "flops"], ((f"`{c.name}`", c.summary) for c in CONVENTIONS.values()))


def layers() -> list[str]:
    """Every layer of the spec language."""

    def row(name: str) -> tuple[str, str]:
        kind = layer_table()[name]
        words = [
            name,
            *(p.upper() for p in kind.positional),
            *(f"[{o}=]" for o in kind.options),
            *(f"[{f}]" for f in kind.flags),
        ]
        return f"`{' '.join(words)}`", kind.summary

    return _table(["layer", "what it is"], map(row, layer_table()))


def limits() -> list[str]:
    """What a spec may hold."""
    rows = (
        ("digits of a size", sizes.MAX_DIGITS),
        ("symbols without a number", sizes.MAX_NAMES),
        ("characters of a name", sizes.MAX_NAME_LENGTH),
        ("characters of a spec", grammar.MAX_LENGTH),
        ("brackets inside brackets", grammar.MAX_DEPTH),
        ("layers written out", layer_limits.MAX_LAYERS),
        ("layers written out with symbols", layer_limits.MAX_SYMBOLIC_LAYERS),
        ("repetitions of a block that never keeps its shape", comma_form.MAX_UNROLLED),
        ("layers= of a recurrent layer", sequence.MAX_RECURRENT_LAYERS),
        ("windows of an uneven adaptive pooling", pool.MAX_ADAPTIVE_WINDOWS),
    )
    return _table(["limit", "value"], ((what, f"{value:,}") for what, value in rows))


def learning_rates() -> list[str]:
    """The learning rate of ``nncost train`` for every optimizer."""
    return _table(
        ["optimizer", "learning rate"], ((f"`{name}`", f"{rule.learning_rate:g}") for name, rule in OPTIMIZERS.items())
    )


def web_limits() -> list[str]:
    """What the server gives its clients at most."""
    rows = ((f"`{name}`", value, about, answer) for name, value, about, answer in limit_rows())
    return _table(["limit", "is", "of", "beyond it"], rows)


def web_settings() -> list[str]:
    """The settings of requests, with the answers that take them."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, settings in WEB_SETTINGS.items():
        for key, setting in settings.items():
            found.setdefault(f"{key}: {setting.help}", (setting.kind.accepted, []))[1].append(name)
    everywhere = [name for name, settings in WEB_SETTINGS.items() if settings]
    return _table(["setting", "", "takes", "of"], _setting_rows(found, everywhere))


def _setting_rows(found: Mapping[str, tuple[str, list[str]]], everywhere: Sequence[str]) -> Iterator[Sequence[str]]:
    for text, (accepted, names) in found.items():
        key, _, about = text.partition(": ")
        yield f"`{key}`", about, accepted, "all" if names == everywhere else ", ".join(names)


TABLES: Mapping[str, Callable[[], list[str]]] = {
    "scalars": scalars, "composites": composites, "losses": losses, "optimizers": optimizers,
    "conventions": conventions, "layers": layers, "other_names": other_names, "limits": limits, "coverage_torch": coverage_torch,
    "coverage_onnx": coverage_onnx,
    "onnx_unknown": onnx_unknown,
    "learning_rates": learning_rates, "weight_formats": weight_formats, "quantizations": quantizations,
    "web_limits": web_limits, "web_settings": web_settings,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
