"""Load a network written as a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nncost.dims import Dim, is_symbolic
from nncost.errors import Instead, NncostError, OptionError, SourceError, SpecError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.spec.grammar import CommaForm, Spec, parse
from nncost.frontends.spec.layers import Context
from nncost.frontends.spec.sizes import Sizes
from nncost.frontends.spec.spelling import respelled
from nncost.frontends.spec.widths import build_widths
from nncost.frontends.spec_text import SpecText
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.training.losses import final_softmax

_COMMENT = re.compile(r"#[^\n]*")
_NUMBER = re.compile(r"(?<![A-Za-z])\d+")
MAX_CORRECTIONS = 8
"""Mistakes of one spec that are corrected one after another."""


def load(source: str, options: LoadOptions) -> Model:
    """Return the graph of a spec. Raise SpecError, with a caret, for anything that does not fit."""
    spelled = respelled(source)
    if source[:1].isalpha() and not options.symbols:
        from nncost.frontends.unread import model_name

        if (known := model_name(source.strip())) is not None:
            raise known
    try:
        return _built(spelled, options)
    except SpecError as error:
        if (other := _other_kind(source)) is not None:
            raise other from None
        if len(source) == len(spelled):
            error.spec = source
        corrected = _corrected(error, spelled, options)
        error.instead = None if corrected is None or not source else Instead(source, corrected)
        raise


def _other_kind(source: str) -> SourceError | None:
    """What is said of a text that is the name of something else, unless it can be nothing but a spec."""
    if isinstance(source, SpecText):
        return None
    from nncost.frontends.unread import unread

    return unread(source, registry.endings())


def _corrected(error: SpecError, spelled: str, options: LoadOptions) -> str | None:
    """A spec that can be counted and may be meant; None if there is none."""
    for first in _candidates(error, spelled):
        spec: str | None = first
        for _ in range(MAX_CORRECTIONS):
            if spec is None:
                break
            try:
                _built(spec, options)
            except SpecError as further:
                spec = further.corrected
            except NncostError:
                break
            else:
                return _tidy(spec) if first == error.corrected or _holds(spec, spelled) else None
    return None


def _tidy(spec: str) -> str:
    """The spec with a blank behind each comma and none before it."""
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\s*=\s*", "=", " ".join(spec.split())))


def _candidates(error: SpecError, spelled: str) -> Iterator[str]:
    """What the error suggests; for a text that cannot be read, guesses."""
    if error.corrected is not None:
        yield error.corrected
    elif error.is_unreadable:
        from nncost.frontends.spec.guesses import guesses

        yield from guesses(spelled)


def _holds(spec: str, text: str) -> bool:
    """Whether a guess holds the numbers of the text that it is a guess at."""
    before, after = _NUMBER.findall(text), _NUMBER.findall(spec)
    return len(set(before) - set(after)) <= 1 or "".join(before) == "".join(after)


def _built(source: str, options: LoadOptions) -> Model:
    context, spec, output, batch = emitted(source, options)
    graph = context.builder.graph(output)
    return Model(
        kind="spec",
        name=" ".join(_COMMENT.sub(" ", source).split())
        if isinstance(spec, CommaForm)
        else "".join(_COMMENT.sub("", source).split()),
        graph=graph,
        batch=batch,
        inputs={tensor.name: tensor.shape for tensor in graph.inputs},
        default_loss="cross_entropy" if final_softmax(graph) is not None else "squared_error",
        default_optimizer="sgd",
        notes=tuple(context.notes),
        outputs=("y",),
    )


def emitted(source: str, options: LoadOptions) -> tuple[Context, Spec, Tensor, Dim]:
    """Return what read a spec, its syntax tree, the network's output and the batch. Raise SpecError for anything that does not fit."""
    spec = parse(source)
    if options.given is not None or options.inputs:
        raise OptionError(
            "--input does not apply to a spec.",
            hint="The input shape is the first item of the spec itself.",
            instead=Instead("--input", ""),
        )
    sizes = Sizes(source, options.symbols)
    batch = _bound(options)
    context = Context(Builder(dtype=options.dtype, training=options.training), sizes, [])
    if isinstance(spec, CommaForm):
        from nncost.frontends.spec import kinds as _kinds  # noqa: F401 - fills the table of layers
        from nncost.frontends.spec.sequence import SequenceBuilder

        _refuse_widths_options(options)
        output = SequenceBuilder(context).build(spec, batch)
    else:
        output = build_widths(context, spec, batch, options.bias, options.activation)
    sizes.check_bindings(options.named_elsewhere)
    return context, spec, output, batch


def _bound(options: LoadOptions) -> Dim:
    batch = 1 if options.batch is None else options.batch
    return options.symbols.get(str(batch), batch) if is_symbolic(batch) else batch


def _refuse_widths_options(options: LoadOptions) -> None:
    if options.bias != "all":
        raise OptionError(
            "--bias applies to widths such as 784-16-10.",
            hint="Write bias=no behind a layer instead.",
            instead=Instead("--bias", ""),
        )
    if options.activation != "sigmoid":
        raise OptionError(
            "--activation applies to widths such as 784-16-10.",
            hint="Write the activation as a layer.",
            instead=Instead("--activation", ""),
        )
