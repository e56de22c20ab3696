"""Load an ONNX file as a graph: headers and shapes, never the weights themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncost.errors import MissingExtraError, SourceError
from nncost.frontends.files import read_bytes
from nncost.frontends.model import LoadOptions, Model

if TYPE_CHECKING:
    from nncost.dims import Dim
    from nncost.frontends.onnx.inputs import FileInputs

MAX_BYTES = 4 * 2**30
"""Protocol buffers themselves end at 2 GiB; larger models keep their weights in other files."""
FIRST_VERSION_WITH_OPSETS = 3
"""Of the file format; files before it use opset 1."""


def load(source: str, options: LoadOptions) -> Model:
    """The graph of the file at ``source``.

    Floats that feed layers are parameters, named as in the file. ``options.batch`` replaces the
    first axis of the inputs, ``options.inputs`` whole shapes; named sizes become symbols unless
    they are bound. Raise SourceError, ShapeError, SymbolError or OptionError for what does not fit,
    MissingExtraError without the package ``onnx``.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("reading an .onnx file", "onnx", "onnx") from None
    from nncost.frontends.onnx import lowerings as _lowerings  # noqa: F401 - registers every lowering
    from nncost.frontends.onnx.constants import Types
    from nncost.frontends.onnx.given import bind_inputs
    from nncost.frontends.onnx.inputs import check_bindings, read_inputs
    from nncost.frontends.onnx.size_names import dim_named
    from nncost.frontends.onnx.stated import StatedTypes
    from nncost.frontends.onnx.translation import Translation
    from nncost.ir.builder import Builder

    model = _parsed(source)
    opsets = _opsets(model, source)
    types = Types(options.dtype if options.dtype_given else None)
    inputs = read_inputs(model.graph, options, types)
    symbols = {
        str(each) for shape in inputs.shapes.values() for dim in shape for each in getattr(dim, "free_symbols", ())
    }

    def dim_of(name: str) -> Dim | None:
        dim = dim_named(name, options.symbols)
        return dim if symbols.issuperset(map(str, getattr(dim, "free_symbols", ()))) else None

    builder = Builder(dtype=options.dtype, training=options.training)
    translation = Translation(
        builder,
        model,
        types,
        opsets,
        StatedTypes(model.graph, types, dim_of, trusted=inputs.as_filed),
        batch_was=inputs.batch_was,
        batch_is=inputs.batch,
        folder=str(Path(source).parent),
        bindings=options.symbols,
    )
    bind_inputs(translation, inputs, options)
    for node in model.graph.node:
        translation.translate(node)
    check_bindings(model.graph, options, translation.made_symbols)
    outputs = translation.outputs(output.name for output in model.graph.output)
    return Model(
        kind="onnx",
        name=source,
        graph=builder.graph(*outputs.values()),
        batch=inputs.batch,
        inputs=inputs.shapes,
        default_loss="none",
        default_optimizer="none",
        notes=(*translation.notes, *_type_notes(inputs, options)),
        outputs=tuple(outputs),
        nested_outputs=translation.nested_outputs,
    )


def _parsed(source: str) -> Any:
    """The model in the file. Raise SourceError for anything else."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    content = read_bytes(source, MAX_BYTES)
    if not content:
        raise SourceError(f"{source!r} is empty.")
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise SourceError(f"{source!r} is not an ONNX file, or is cut short: {error}.") from None
    if not model.graph.output:
        raise SourceError(f"the graph in {source!r} has no output.")
    return model


def _opsets(model: Any, source: str) -> dict[str, int]:
    """The opset of each domain. Raise SourceError for one that the installed package does not know."""
    from onnx import defs

    opsets: dict[str, int] = {} if model.ir_version >= FIRST_VERSION_WITH_OPSETS else {"": 1}
    for entry in model.opset_import:
        opsets["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    newest = defs.onnx_opset_version()
    if not 1 <= opsets.get("", 1) <= newest:
        raise SourceError(
            f"{source!r} uses opset {opsets['']}; the installed onnx package knows 1 to {newest}.",
            hint="A newer onnx package may know it:  pip install --upgrade onnx",
        )
    return opsets


def _type_notes(inputs: FileInputs, options: LoadOptions) -> list[str]:
    other = sorted(inputs.float_types - {options.dtype})
    if not other or not options.dtype_given:
        return []
    return [f"The file computes in {', '.join(other)}; bytes are counted in {options.dtype}."]
