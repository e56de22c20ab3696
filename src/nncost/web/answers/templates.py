"""A spec with its sizes open: which of them may be symbols at once, and how it is written back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, count
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
    from nncost.pipeline.keywords import settings_of

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
@record
class Run:
    """Hidden layers of one width: the handles of the width and, where it is written, of their number."""

    width: Handle
    behind: str
    count: Handle | None

    @property
    def times(self) -> int:
        """How many layers they are."""
        return 1 if self.count is None else self.count.value


@record(eq=False)
class Depth:
    """The hidden layers of widths such as ``784-16-16-10``, in front of and behind which the spec stays as it is.

    Where all of them are alike, ``width`` is one for all, and ``text`` the spec with it and their number as symbols.
    """

    prefix: list[Piece]
    runs: tuple[Run, ...]
    suffix: list[Piece]
    number: Handle
    width: Handle | None
    text: str | None

    def handles(self, template: Template) -> tuple[Handle, ...]:
        """Return the handles that stand in ``text``."""
        hidden = {run.width.name for run in self.runs} | {run.count.name for run in self.runs if run.count is not None}
        kept = [handle for handle in template.handles if handle.name not in hidden]
        return (*kept, *([] if self.width is None else [self.width]), self.number)


def depth_of(template: Template) -> Depth | None:
    """Return the hidden layers of widths; None for other specs, and where a symbol of the writer's stands there."""
    tree = template.written.tree
    if not isinstance(tree, Widths) or not all(isinstance(width, Width) for width in tree.widths):
        return None
    runs = _runs(template, tree)
    if not runs or len(runs) != len(tree.widths) - 2 or getattr(tree.widths[-1], "count", None) is not None:
        return None
    start, end = runs[0].width.places[0].position, _end_of(runs[-1])
    prefix, suffix = template.pieces(0, start), template.pieces(end)
    taken = {handle.name for handle in template.handles}
    number = Handle(_unused("L", taken), "hidden layers", REPEAT, sum(run.times for run in runs))
    first = runs[0]
    if len({(run.width.value, run.behind) for run in runs}) > 1:
        return Depth(prefix, runs, suffix, number, None, None)
    width = Handle(_unused("h", taken), "all hidden widths", FEATURES, first.width.value)
    before, after = (_symbolic(template, *span) for span in ((0, start), (end, None)))
    return Depth(prefix, runs, suffix, number, width, f"{before}{width.name}{first.behind}*{number.name}{after}")


def _runs(template: Template, tree: Widths) -> tuple[Run, ...]:
    """The hidden widths that are numbers, up to the first that is none."""
    owner = {place.position: handle for handle in template.handles for place in handle.places}
    runs = []
    for width in tree.widths[1:-1]:
        assert isinstance(width, Width)
        handle = owner.get(width.size.position)
        count = None if width.count is None else owner.get(width.count.position)
        if handle is None or handle.is_open or (width.count is not None and (count is None or count.is_open)):
            break
        runs.append(Run(handle, "" if width.activation is None else f":{width.activation.text}", count))
    return tuple(runs)


def _end_of(run: Run) -> int:
    """The place behind the last hidden layer."""
    if run.count is not None:
        return run.count.places[0].position + len(run.count.places[0].text)
    return run.width.places[0].position + len(run.width.places[0].text) + len(run.behind)


def _unused(letter: str, taken: Collection[str]) -> str:
    return next(name for name in chain([letter], map(f"{letter}{{}}".format, count(1))) if name not in taken)


def _symbolic(template: Template, start: int, end: int | None) -> str:
    """A part of the spec with symbols for its sizes."""
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in template.pieces(start, end))
