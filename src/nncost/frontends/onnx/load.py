"""Load an ONNX file as a graph: headers and shapes, never the weights themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nncost.dims import Shape, shape_text
from nncost.errors import MissingExtraError, NncostError, ShapeError
from nncost.frontends.model import LoadOptions, Model
from nncost.names import printable
from nncost.records import replace

if TYPE_CHECKING:
    from nncost.dims import Dim
    from nncost.frontends.onnx.inputs import FileInputs
    from nncost.frontends.onnx.open_sizes import FollowingSize
    from nncost.frontends.onnx.values import FileConstant

MAX_FOLLOWING = 32
"""Sizes that a file leaves open and its weights tell."""


def load(source: str, options: LoadOptions) -> Model:
    """The graph of the file at ``source``.

    Numbers that layers multiply by are parameters, named as in the file. ``options.batch`` replaces the first axis of
    the inputs, ``options.inputs`` whole shapes; other sizes that the file leaves open become symbols unless they are
    bound, or the weights behind them tell. Raise SourceError, ShapeError, SymbolError or OptionError for what does not fit,
    MissingExtraError without the package ``onnx``.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("reading an .onnx file", "onnx", "onnx") from None
    from nncost.frontends.onnx import lowerings as _lowerings  # noqa: F401 - registers every lowering
    from nncost.frontends.onnx.model_file import opsets_of, read_model

    model = read_model(source)
    options = replace(options, symbols={_unquoted(name): size for name, size in options.symbols.items()})
    opsets = opsets_of(model, source)
    try:
        return _at_open_sizes(model, source, opsets, options)
    except ShapeError as error:
        if options.inputs or options.symbols or options.batch is not None:
            error.hint = _own_shapes(model, options) or error.hint
        raise


def _own_shapes(model: Any, options: LoadOptions) -> str:
    """What a caller whose shapes do not fit should know of the file."""
    from nncost.frontends.onnx.constants import Types
    from nncost.frontends.onnx.inputs import read_inputs

    try:
        shapes = read_inputs(model.graph, LoadOptions(), Types()).shapes
    except NncostError:
        return ""
    return f"The file's own shapes: {', '.join(f'{name} {shape_text(shape)}' for name, shape in shapes.items())}."


def _at_open_sizes(model: Any, source: str, opsets: Mapping[str, int], options: LoadOptions) -> Model:
    """The model, with the sizes that the file leaves open where what stands behind them tells."""
    from nncost.frontends.onnx.open_sizes import following, noted
    from nncost.ir.size_functions import ASSUMED

    found: dict[str, FollowingSize] = {}
    assumed = ASSUMED.set([])
    try:
        for _ in range(MAX_FOLLOWING):
            try:
                return _translated(model, source, opsets, options, found, trusting=False)
            except ShapeError as error:
                bound = {*options.symbols, *found}
                size = following(error.sizes, bound) or next(filter(None, (following(p, bound) for p in noted())), None)
                if size is None:
                    if error.sizes is None:
                        raise
                    break
                found[size.name] = size
        return _translated(model, source, opsets, options, found, trusting=True)
    finally:
        ASSUMED.reset(assumed)


def _unquoted(name: str) -> str:
    """A size's own name, also where a caller writes it in the quotes in which it is printed."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "'" else name


def _translated(
    model: Any,
    source: str,
    opsets: Mapping[str, int],
    options: LoadOptions,
    found: Mapping[str, FollowingSize],
    *,
    trusting: bool,
) -> Model:
    """The model with the sizes that were ``found`` so far; ``trusting`` that sizes which may be equal are equal."""
    from nncost.frontends.onnx.constants import Types
    from nncost.frontends.onnx.given import bind_inputs
    from nncost.frontends.onnx.inputs import check_bindings, read_inputs
    from nncost.frontends.onnx.stated import StatedTypes
    from nncost.frontends.onnx.translation import Translation
    from nncost.ir.builder import Builder

    bound = replace(options, symbols={**options.symbols, **{name: size.value for name, size in found.items()}})
    types = Types(options.dtype if options.dtype_given else None)
    inputs = read_inputs(model.graph, bound, types)
    builder = Builder(dtype=options.dtype, training=options.training)
    translation = Translation(
        builder,
        model,
        types,
        opsets,
        StatedTypes(model.graph, types, _sizes_in(inputs, bound), trusted=inputs.as_filed),
        batch_was=inputs.batch_was,
        batch_is=inputs.batch,
        file=source,
        bindings=bound.symbols,
        trusting=trusting,
    )
    bind_inputs(translation, inputs, options)
    for node in model.graph.node:
        translation.translate(node)
    check_bindings(model.graph, bound, translation.made_symbols)
    outputs = translation.outputs(output.name for output in model.graph.output)
    return Model(
        kind="onnx",
        name=source,
        graph=builder.graph(*outputs.values()),
        batch=inputs.batch,
        inputs=inputs.shapes,
        default_loss="none",
        default_optimizer="none",
        notes=(
            *_notes(inputs, options, found),
            *_trusted(translation.trusted),
            *_copies(translation.tensors.copies),
            *translation.notes,
        ),
        outputs=tuple(outputs),
        nested_outputs=translation.nested_outputs,
    )


def _sizes_in(inputs: FileInputs, options: LoadOptions) -> Any:
    """What turns a name into a size, or into None if no input has the symbols in it."""
    from nncost.frontends.onnx.size_names import dim_named

    symbols = {
        str(each) for shape in inputs.shapes.values() for dim in shape for each in getattr(dim, "free_symbols", ())
    }

    def dim_of(name: str) -> Dim | None:
        dim = dim_named(name, {**options.symbols, **inputs.symbols})
        return dim if symbols.issuperset(map(str, getattr(dim, "free_symbols", ()))) else None

    return dim_of


def _trusted(places: Sequence[tuple[str, Shape, Shape]]) -> list[str]:
    """One note on all the places that fit only for some values of the symbols."""
    if not places:
        return []
    path, shape, wanted = places[0]
    more = f" and {len(places) - 1} more places" if len(places) > 1 else ""
    return [
        (
            f"{path!r}{more} can be run for some sizes only, for which this is counted: "
            f"{shape_text(shape)} is taken to be {shape_text(wanted)}."
        )
    ]


def _copies(copies: Sequence[tuple[FileConstant, FileConstant]]) -> list[str]:
    return [
        f"{printable(copy.name)!r} is the table {printable(table.name)!r} in numbers of its own: it is kept, a buffer, and "
        "is no parameter besides it."
        for copy, table in copies
    ]


def _notes(inputs: FileInputs, options: LoadOptions, found: Mapping[str, FollowingSize]) -> list[str]:
    notes = [size.note for size in found.values()]
    other = sorted(inputs.float_types - {options.dtype})
    if other and options.dtype_given:
        notes.append(f"The file computes in {', '.join(other)}; bytes are counted in {options.dtype}.")
    return notes
