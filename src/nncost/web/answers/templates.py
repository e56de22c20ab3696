"""A spec with its sizes open: which of them may be symbols at once, and how it is written back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nncost.dims import symbol
from nncost.errors import NncostError
from nncost.frontends.model import LoadOptions
from nncost.frontends.spec.grammar import Width, Widths
from nncost.frontends.spec.places import Written, fits, read
from nncost.pipeline.settings import load_options
from nncost.records import record, replace
from nncost.web.answers.handles import BATCH, FEATURES, IMAGE, KERNEL, LENGTH, REPEAT, Handle, bindings, handles_of

Piece = str | list[str]
"""Text of a spec, or the name of a handle whose value stands there."""
MAX_FREE = 14
"""Sizes that are symbols at once; formulas in more of them are long, and slow to derive."""
_ORDER = (FEATURES, REPEAT, LENGTH, IMAGE, KERNEL)
"""Which sizes become symbols first where not all of them can."""
_DEFAULTS = (16, 48, 64, 96, 768)
"""Sizes for symbols that have none, one after another, until the layers accept them."""
_STEPS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128)
"""Of what a size must be a multiple for the layers to accept it: heads, groups."""


@record(eq=False)
class Template:
    """A spec, the sizes of it that can be dragged, and those that are symbols in ``text``."""

    written: Written
    handles: tuple[Handle, ...]
    free: frozenset[str]
    options: LoadOptions

    @classmethod
    def of(cls, source: str, settings: Mapping[str, Any]) -> Template:
        """Read a spec and find out which sizes may be symbols. Raise an NncostError for a spec or a setting that does not fit."""
        values = dict(settings.get("symbols") or {})
        options = _options(source, {**settings, "symbols": {}})
        written, options = _read(source, options, values)
        handles = _fitting(written, handles_of(written, settings.get("batch") or 1, values), values, options)
        handles = [_stepped(handle, handles, written, options) for handle in handles]
        return cls(written, tuple(handles), _free(written, handles, options), options)

    @property
    def batch(self) -> Handle:
        """The handle of the batch."""
        return next(handle for handle in self.handles if handle.group == BATCH)

    @property
    def text(self) -> str:
        """The spec with symbols in the places of all sizes that can be symbols together."""
        return _with_symbols(self.written, self.handles, self.free)

    def pieces(self, start: int = 0, end: int | None = None) -> list[Piece]:
        """Return a part of the spec, its text in pieces between the sizes that can be dragged."""
        text = self.written.text[:end]
        owners = {place.position: handle for handle in self.handles if not handle.is_open for place in handle.places}
        result: list[Piece] = []
        for position in sorted(owners):
            if start <= position < len(text):
                result += [text[start:position], [owners[position].name]]
                start = position + len(owners[position].text)
        return [piece for piece in [*result, text[start:]] if piece]


def _options(source: str, settings: Mapping[str, Any]) -> LoadOptions:
    from nncost.api import settings_of

    return load_options(source, settings_of(**settings))


def _read(source: str, options: LoadOptions, values: Mapping[str, int]) -> tuple[Written, LoadOptions]:
    """Read a spec, its symbols open or, where a layer must know them, bound."""
    try:
        return read(source, options), options
    except NncostError:
        bound = replace(options, symbols=values)
        try:
            return read(source, bound), bound
        except NncostError:
            from nncost.frontends import registry

            registry.load(source, bound)  # raises with what may be meant
            raise


def _with_symbols(written: Written, handles: Sequence[Handle], free: frozenset[str]) -> str:
    return written.with_sizes(
        {place.position: handle.name for handle in handles if handle.name in free for place in handle.places}
    )


def _with_values(written: Written, handles: Sequence[Handle]) -> str:
    return written.with_sizes({p.position: h.text for h in handles if not h.is_open for p in h.places})


def _is_read(written: Written, handles: Sequence[Handle], options: LoadOptions, free: frozenset[str]) -> bool:
    """Whether the spec can be read with these sizes open."""
    batch = next(handle.name for handle in handles if handle.group == BATCH)
    text = _with_symbols(written, handles, free)
    open_batch = replace(
        options, batch=symbol(batch), symbols=bindings(handles, free), named_elsewhere=frozenset((batch,))
    )
    return fits(text, open_batch)


def _is_valid(written: Written, handles: Sequence[Handle], options: LoadOptions) -> bool:
    return fits(_with_values(written, handles), replace(options, symbols=bindings(handles)))


def _fitting(
    written: Written, handles: Sequence[Handle], values: Mapping[str, int], options: LoadOptions
) -> list[Handle]:
    """The handles, with values for the writer's own symbols that the layers accept."""
    for default in _DEFAULTS:
        tried = [
            replace(handle, value=default)
            if handle.is_open and handle.group == FEATURES and handle.name not in values and not handle.base
            else handle
            for handle in handles
        ]
        if _is_valid(written, tried, options):
            return tried
    return list(handles)


def _stepped(handle: Handle, handles: Sequence[Handle], written: Written, options: LoadOptions) -> Handle:
    """The handle with the steps in which its values are accepted, as by attention of several heads."""
    if handle.group not in (FEATURES, IMAGE) or handle.base or isinstance(written.tree, Widths):
        return handle
    others = [other for other in handles if other is not handle]
    for step in _STEPS:
        ahead = (replace(handle, value=handle.value + times * step) for times in (1, 2))
        if all(_is_valid(written, [*others, each], options) for each in ahead):
            return replace(handle, step=step)
    return handle


def _free(written: Written, handles: Sequence[Handle], options: LoadOptions) -> frozenset[str]:
    """The names of sizes that can be symbols together; the batch always can."""
    batch = frozenset(handle.name for handle in handles if handle.group == BATCH)
    ordered = sorted((h for h in handles if h.group != BATCH), key=lambda handle: _ORDER.index(handle.group))
    chosen = [handle.name for handle in ordered if handle.group != KERNEL][:MAX_FREE]
    if _is_read(written, handles, options, batch | frozenset(chosen)):
        return batch | frozenset(chosen)
    free = batch
    for name in chosen:
        if _is_read(written, handles, options, free | {name}):
            free |= {name}
    return free


# ------------------------------------------------------------------- the number of hidden layers
@record(eq=False)
class Depth:
    """The hidden layers of widths such as ``784-16-16-10``, in front of and behind which the spec stays as it is.

    ``text`` is the spec with one width for all hidden layers and their number as symbols, and ``handles`` those of it; None
    where the hidden layers differ.
    """

    prefix: list[Piece]
    layers: tuple[tuple[str, str], ...]
    suffix: list[Piece]
    text: str | None
    width: Handle | None
    number: Handle

    def handles(self, template: Template) -> tuple[Handle, ...]:
        """Return the handles that stand in ``text``."""
        hidden = {name for name, _ in self.layers}
        kept = [handle for handle in template.handles if handle.name not in hidden]
        return (*kept, *([] if self.width is None else [self.width]), self.number)


def depth_of(template: Template) -> Depth | None:
    """Return the hidden layers of widths; None for other specs."""
    tree = template.written.tree
    if not isinstance(tree, Widths) or not all(isinstance(width, Width) and width.count is None for width in tree.widths):
        return None
    hidden = list(_hidden(template, tree))
    if not hidden or len(hidden) != len(tree.widths) - 2:
        return None
    first, last = hidden[0][0].places[0].position, hidden[-1][0].places[0].position
    end = last + len(hidden[-1][0].text + hidden[-1][1])
    prefix, suffix = template.pieces(0, first), template.pieces(end)
    taken = {handle.name for handle in template.handles}
    number = Handle(next(name for name in _names("L") if name not in taken), "hidden layers", REPEAT, len(hidden))
    layers = tuple((handle.name, behind) for handle, behind in hidden)
    alike = len({(handle.value, behind) for handle, behind in hidden}) == 1
    if not alike:
        return Depth(prefix, layers, suffix, None, None, number)
    width = Handle(next(name for name in _names("h") if name not in taken), "all hidden widths", FEATURES, hidden[0][0].value)
    before, behind = (_symbolic(template, *span) for span in ((0, first), (end, None)))
    text = f"{before}{width.name}{hidden[0][1]}*{number.name}{behind}"
    return Depth(prefix, layers, suffix, text, width, number)


def _hidden(template: Template, tree: Widths) -> Iterator[tuple[Handle, str]]:
    """The hidden widths that are numbers, each with its activation as it is written."""
    owner = {place.position: handle for handle in template.handles for place in handle.places}
    for width, after in zip(tree.widths[1:-1], tree.widths[2:], strict=True):
        assert isinstance(width, Width)
        assert isinstance(after, Width)
        handle = owner.get(width.size.position)
        if handle is None or handle.is_open:
            return
        start = width.size.position + len(width.size.text)
        yield handle, template.written.text[start : after.size.position].rstrip().removesuffix("-").rstrip()


def _names(letter: str) -> Iterator[str]:
    yield letter
    number = 0
    while True:
        number += 1
        yield f"{letter}{number}"


def _symbolic(template: Template, start: int, end: int | None) -> str:
    """A part of the spec with symbols for its sizes."""
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in template.pieces(start, end))
