"""The true inputs of a file and their shapes, as the file, the caller and the batch have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, cast

from nncost.dims import Dim, Shape, is_symbolic, same, shape_text, substitute, symbol
from nncost.errors import Instead, OptionError, SourceError, SymbolError
from nncost.frontends.arguments import shape_of
from nncost.frontends.model import LoadOptions, TensorShape
from nncost.frontends.onnx.constants import Types, checked_shape
from nncost.frontends.onnx.nested_inputs import elements_of, is_nested
from nncost.frontends.onnx.scope import different_names
from nncost.frontends.onnx.size_names import dim_named, says_something, symbols_of
from nncost.names import shortened
from nncost.records import record, replace
from nncost.units import counted

Sizes = tuple[Dim | None, ...]


@record
class FileInput:
    """An input that is not a constant. A map or text has the ``shape`` None and an empty ``dtype``.

    ``part_of`` names the sequence or optional that it is an element of, as many as the caller gives.
    """

    name: str
    shape: Sizes | None
    dtype: str
    float_type: str = ""
    part_of: str = ""


@record
class FileInputs:
    """The inputs with their final shapes; ``batch_was`` is the file's number of examples if it was replaced.

    ``sequences`` are the sequences and optionals by name with the tensors that they hold, None for an empty optional;
    ``symbols`` the sizes that the batch gives a number to.
    """

    tensors: tuple[tuple[str, Shape, str], ...]
    others: tuple[str, ...]
    sequences: Mapping[str, tuple[str, ...] | None]
    batch: Dim
    batch_was: int | None
    float_types: frozenset[str]
    as_filed: bool
    symbols: Mapping[str, Dim]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shapes by name."""
        return {name: shape for name, shape, _ in self.tensors}


def read_inputs(graph: Any, options: LoadOptions, types: Types) -> FileInputs:
    """The inputs under the caller's options.

    Raise OptionError for an input that is not there, SourceError for a size that is not given
    anywhere, SymbolError for a binding without a symbol.
    """
    constants = different_names(
        "constants", (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer))
    )
    different_names("inputs", graph.input)
    replaced_constants = constants & _given_by_name(options)
    proper = [value for value in graph.input if value.name not in constants]
    proper += [value for value in graph.input if value.name in replaced_constants]
    given = [_read(value, options, types) for value in proper if not is_nested(value)]
    nested = {value.name: elements_of(value, options, types) for value in proper if is_nested(value)}
    given += [
        FileInput(name, shape, dtype, "", of) for of, parts in nested.items() for name, shape, dtype in parts or ()
    ]
    filed = [value for value in given if value.dtype]
    overridden = _overridden(given, _by_name(filed, options))
    _check_batch(given, overridden, options)
    final, batch, symbols = _batched(overridden, options)
    tensors = tuple((value.name, _complete(value), value.dtype) for value in final)
    before = filed[0].shape[0] if filed and filed[0].shape else None
    replaced = before is not None and not is_symbolic(before) and not same(before, batch)
    return FileInputs(
        tensors=tensors,
        others=tuple(value.name for value in given if not value.dtype),
        sequences={name: None if parts is None else tuple(p[0] for p in parts) for name, parts in nested.items()},
        batch=batch,
        batch_was=cast("int", before) if replaced else None,
        float_types=frozenset(value.float_type for value in given) - {""},
        as_filed=final == filed,
        symbols=symbols,
    )


def _given_by_name(options: LoadOptions) -> set[str]:
    """The inputs that the caller has arrays for by name: a constant that is an input too is only what it is without one."""
    return set() if options.given is None else set(options.given.kwargs)


def _read(value: Any, options: LoadOptions, types: Types) -> FileInput:
    if any(
        isinstance(text, bytes) for text in (value.name, *(dim.dim_param for dim in value.type.tensor_type.shape.dim))
    ):
        raise SourceError("the name of an input or of its size is not UTF-8 text; the file is damaged.")
    if value.type.WhichOneof("value") != "tensor_type":
        return FileInput(value.name, None, "")
    tensor = value.type.tensor_type
    dtype = types.coded(tensor.elem_type) or ""
    checked_shape(tensor.shape.dim, value.name)
    sizes = (
        tuple(_size(dim, f"{value.name}_{axis}", options) for axis, dim in enumerate(tensor.shape.dim))
        if tensor.HasField("shape")
        else None
    )
    return FileInput(value.name, sizes, dtype, Types().coded(tensor.elem_type) or "")


_UNKNOWN = -1
"""What exporters write for a size that is not known."""


def _size(dim: Any, own_name: str, options: LoadOptions) -> Dim:
    """A number, what its name says, or a symbol of its own where the file says nothing (or −1)."""
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    if dim.HasField("dim_value") and dim.dim_value < _UNKNOWN:
        raise SourceError(f"the input {own_name.rpartition('_')[0]!r} has the size {dim.dim_value}.")
    return dim_named(dim.dim_param if says_something(dim.dim_param) else own_name, options.symbols)


def _hint(name: str) -> str:
    return f"Give its shape, for example:  --input {name}=1x3x224x224"


def check_bindings(graph: Any, options: LoadOptions, made: Collection[str]) -> None:
    """Raise SymbolError for a binding that names neither a size of an input, nor one that was ``made``, nor the batch."""
    names = _size_names(graph) | set(made)
    for name in options.symbols:
        if name not in names and name not in options.named_elsewhere:
            known = ", ".join(map(shortened, sorted(names))) or "none"
            raise SymbolError(f"--symbol {name}=…: the file has no symbol {name!r}.", hint=f"Its symbols: {known}.")


def _size_names(graph: Any) -> set[str]:
    """The names of the sizes, those of the symbols in them, and those that sizes without a name have here."""
    found: set[str] = set()
    for value in graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if says_something(dim.dim_param):
                found |= {dim.dim_param, *(name.strip("'") for name in symbols_of(dim.dim_param))}
            elif not dim.HasField("dim_value") or dim.dim_value < 0:
                found.add(f"{value.name}_{axis}")
    return found


def _by_name(filed: list[FileInput], options: LoadOptions) -> dict[str, Shape]:
    """The caller's shapes by name; those without a name are in the order of the file's inputs."""
    args, kwargs = ((), {}) if options.given is None else (options.given.args, options.given.kwargs)
    for leaf in (*args, *kwargs.values()):
        if isinstance(leaf, TensorShape) and leaf.dtype is not None:
            raise OptionError(f"the file says itself what type its inputs have, received {leaf.dtype}.")
    if len(args) < 2:
        return dict(options.inputs)
    names = [value.name for value in filed]
    if len(args) > len(names):
        raise OptionError(
            f"{counted(len(args), 'shape')} for a model with {counted(len(names), 'input')}.", hint=_known(names)
        )
    in_order = {name: shape_of(value) for name, value in zip(names, args, strict=False)}
    named = {name: shape for name, shape in options.inputs.items() if name}
    for name in in_order.keys() & named.keys():
        raise OptionError(f"the input {name!r} is given twice, by its place and by its name.")
    return {**in_order, **named}


def _overridden(given: list[FileInput], shapes: Mapping[str, Shape]) -> list[FileInput]:
    filed = [value for value in given if value.dtype]
    names = [value.name for value in filed]
    chosen: dict[str, Shape] = {}
    texts = {value.name for value in given if not value.dtype}
    for name, shape in shapes.items():
        if name in texts:
            continue
        if not name and len(names) != 1:
            raise OptionError(
                f"a shape without a name needs a model with one input, this one has {len(names)}.", hint=_known(names)
            )
        if name and name not in names:
            close = (*get_close_matches(name, names, 1), *(names if len(names) == 1 else ()), "")[0]
            raise OptionError(
                f"the model has no input {name!r}.",
                hint=_known(names, name),
                instead=Instead(name, close) if close else None,
            )
        if any(not is_symbolic(dim) and dim < 0 for dim in shape):
            raise OptionError(f"sizes are at least 0, received {shape_text(shape)}.")
        chosen[name or names[0]] = shape
    for value in filed:
        _check_rank(value, chosen.get(value.name))
    return [replace(value, shape=chosen[value.name]) if value.name in chosen else value for value in filed]


def _check_rank(value: FileInput, shape: Shape | None) -> None:
    if shape is None or value.shape is None or len(shape) == len(value.shape):
        return
    own = shape_text(tuple(symbol("?") if dim is None else dim for dim in value.shape))
    raise OptionError(
        f"the input {value.name!r} has {counted(len(value.shape), 'axis', 'axes')} in the file, it is {own}: "
        f"received {shape_text(shape)}."
    )


def _known(names: list[str], wrong: str = "") -> str:
    close = get_close_matches(wrong, names, 1)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Its inputs: {', '.join(names) or 'none'}."


def _check_batch(given: list[FileInput], overridden: list[FileInput], options: LoadOptions) -> None:
    """Raise OptionError if the caller gives the first input's shape and a batch that is not its first axis."""
    filed = [value for value in given if value.dtype]
    if options.batch is None or not overridden or overridden[0] is filed[0] or not overridden[0].shape:
        return
    size, shape = overridden[0].shape[0], overridden[0].shape
    if size is not None and not is_symbolic(size) and not is_symbolic(options.batch) and size != options.batch:
        raise OptionError(
            f"batch {options.batch} contradicts the shape {'x'.join(map(str, shape))} of {overridden[0].name!r}, "
            f"whose first axis is the batch.",
            hint="Leave one of the two out.",
        )


def _batched(filed: list[FileInput], options: LoadOptions) -> tuple[list[FileInput], Dim, Mapping[str, Dim]]:
    """The first axis of the first input is the batch, and so is each size that is called or is as long as it.

    Without a name of its own only first axes are: the sizes of others may be equal by chance.
    """
    first = filed[0].shape if filed else None
    before = first[0] if first else None
    if options.batch is None:
        return filed, 1 if not first or before is None else before, {}
    batch = options.symbols.get(str(options.batch), options.batch) if is_symbolic(options.batch) else options.batch
    named = getattr(before, "is_Symbol", False)

    def sizes(shape: Sizes) -> Sizes:
        rest = shape[1:]
        if named:
            rest = tuple(None if dim is None else substitute(dim, {before: batch}) for dim in rest)
        is_batch = shape[0] is None or (before is not None and same(shape[0], before))
        start = batch if is_batch else substitute(shape[0], {before: batch}) if named else shape[0]
        return (start, *rest)

    symbols = {str(before).strip("'"): batch} if named else {}
    return [replace(v, shape=sizes(v.shape)) if v.shape else v for v in filed], batch, symbols


def _complete(value: FileInput) -> Shape:
    if value.shape is None:
        raise SourceError(f"the file does not say what shape its input {value.name!r} has.", hint=_hint(value.name))
    missing = [axis for axis, dim in enumerate(value.shape) if dim is None]
    if missing:
        raise SourceError(
            f"the file does not say how large axis {missing[0]} of its input {value.name!r} is.", hint=_hint(value.name)
        )
    return tuple(dim for dim in value.shape if dim is not None)
