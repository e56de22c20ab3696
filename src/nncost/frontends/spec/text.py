"""Load a network written as a spec."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic
from nncost.errors import OptionError, SourceError
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.spec.grammar import CommaForm, parse
from nncost.frontends.spec.layers import Context
from nncost.frontends.spec.sizes import Sizes
from nncost.frontends.spec.spelling import respelled
from nncost.frontends.spec.widths import build_widths
from nncost.ir.builder import Builder
from nncost.ir.training.losses import final_softmax


def load(source: str, options: LoadOptions) -> Model:
    """Return the graph of a spec. Raise SpecError, with a caret, for anything that does not fit."""
    if source.strip() in (".", ".."):
        raise SourceError(
            f"{source.strip()!r} is a folder.", hint="Name the file itself:  nncost count folder/model.onnx"
        )
    source = respelled(source)
    spec = parse(source)
    if options.given is not None or options.inputs:
        raise OptionError(
            "--input does not apply to a spec.", hint="The input shape is the first item of the spec itself."
        )
    sizes = Sizes(source, options.symbols)
    batch = _bound(options)
    builder = Builder(dtype=options.dtype, training=options.training)
    context = Context(builder, sizes, [])
    if isinstance(spec, CommaForm):
        from nncost.frontends.spec import kinds as _kinds  # noqa: F401 - fills the table of layers
        from nncost.frontends.spec.sequence import SequenceBuilder

        _refuse_widths_options(options)
        output = SequenceBuilder(context).build(spec, batch)
    else:
        output = build_widths(context, spec, batch, options.bias, options.activation)
    sizes.check_bindings(options.named_elsewhere)
    graph = builder.graph(output)
    return Model(
        kind="spec",
        name=" ".join(source.split()) if isinstance(spec, CommaForm) else "".join(source.split()),
        graph=graph,
        batch=batch,
        inputs={tensor.name: tensor.shape for tensor in graph.inputs},
        default_loss="cross_entropy" if final_softmax(graph) is not None else "squared_error",
        default_optimizer="sgd",
        notes=tuple(context.notes),
        outputs=("y",),
    )


def _bound(options: LoadOptions) -> Dim:
    batch = 1 if options.batch is None else options.batch
    return options.symbols.get(str(batch), batch) if is_symbolic(batch) else batch


def _refuse_widths_options(options: LoadOptions) -> None:
    if options.bias != "all":
        raise OptionError("--bias applies to widths such as 784-16-10.", hint="Write bias=no behind a layer instead.")
    if options.activation != "sigmoid":
        raise OptionError("--activation applies to widths such as 784-16-10.", hint="Write the activation as a layer.")
