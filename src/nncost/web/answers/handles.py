"""The sizes of a spec that can be dragged: which numbers move together, what they are called, how far they go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count

from nncost.frontends.spec.grammar import CommaForm, Dots, Width, Widths
from nncost.frontends.spec.layers import MAX_LAYERS
from nncost.frontends.spec.places import Written
from nncost.frontends.spec.sizes import Place
from nncost.notation.tree import integer_text
from nncost.records import record, replace

BATCH = "batch"
FEATURES, LENGTH, IMAGE, REPEAT, KERNEL = "features", "length", "image", "repeat", "kernel"
"""Which numbers may be one: features of any layer, steps of a sequence, pixels, repetitions, kernels."""
DEFAULTS = {FEATURES: 16, LENGTH: 16, IMAGE: 32, REPEAT: 3, KERNEL: 3}
"""The size that a symbol of the reader's has at first."""
MAX_HANDLES = 40
"""Numbers that can be dragged; nobody looks for the next one among so many. Symbols always can: they need a size."""


@record
class Handle:
    """A size that can be dragged: one or several places of a spec, or a symbol that its writer left open.

    ``name`` is the symbol that stands for it in formulas, ``group`` which sizes it may be one with. ``base`` is the name of a
    whole family of sizes from member ``first`` on, ``h`` for ``h0-h1-...-hl``. ``is_open`` holds for symbols of the writer's own.
    Sizes below ``least`` and above ``most`` are refused by the spec language.
    """

    name: str
    label: str
    group: str
    value: int
    places: tuple[Place, ...] = ()
    is_open: bool = False
    base: str = ""
    first: int = 0
    step: int = 1
    least: int = 1
    most: int | None = None

    @property
    def text(self) -> str:
        """The value as a spec has it."""
        return integer_text(self.value)


@record
class _Kind:
    group: str
    letter: str
    label: str


_LAYER_KINDS = {
    "V": _Kind(FEATURES, "v", "vocabulary"),
    "D": _Kind(FEATURES, "d", "embedding width"),
    "OUT": _Kind(FEATURES, "c", "channels"),
    "N": _Kind(FEATURES, "u", "units"),
    "H": _Kind(FEATURES, "u", "recurrent units"),
    "KERNEL": _Kind(KERNEL, "f", "kernel"),
    "the number of repetitions": _Kind(REPEAT, "r", "repetitions"),
    "the number of layers": _Kind(REPEAT, "r", "layers"),
}
"""What a size is, by what the spec language calls it; the first of several names that a handle has is its label."""
_OUTPUTS = _Kind(FEATURES, "m", "outputs")
_OTHER = _Kind(FEATURES, "s", "size")


def handles_of(written: Written, batch: int | str, values: Mapping[str, int]) -> list[Handle]:
    """Return the handles of a spec: the batch, and its sizes in the order in which they stand."""
    taken = {*written.names, *(place.text for place in written.places)}
    kinds = {place.position: kind for place, kind in zip(written.places, _kinds(written), strict=True)}
    handles = [_batch(batch, values, taken)]
    handles += _families(written, values)
    for same in _together(written, kinds).values():
        first = same[0].text
        if first.isdigit() and len(handles) > MAX_HANDLES:
            continue
        kind = min((kinds[place.position] for place in same), key=_order)
        if first.isdigit():
            name = _fresh(kind.letter, taken)
            handles.append(Handle(name, kind.label, kind.group, int(first), tuple(same)))
        elif not any(handle.name == first for handle in handles):
            value = values.get(first, DEFAULTS[kind.group])
            handles.append(Handle(first, first, kind.group, value, tuple(same), is_open=True))
    return _numbered(handles)


def _batch(batch: int | str, values: Mapping[str, int], taken: set[str]) -> Handle:
    if isinstance(batch, str):
        return Handle(batch, BATCH, BATCH, values.get(batch, 1), is_open=True)
    return Handle(_fresh("B", taken, first=""), BATCH, BATCH, batch)


def _order(kind: _Kind) -> int:
    kinds = list(_LAYER_KINDS.values())
    return kinds.index(kind) if kind in kinds else len(kinds)


def _fresh(letter: str, taken: set[str], first: str = "1") -> str:
    """A name that nothing in the spec has."""
    names = (letter + (first if number == 1 else str(number)) for number in count(1))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name


def _together(written: Written, kinds: Mapping[int, _Kind]) -> dict[object, list[Place]]:
    """Places whose sizes are one: the same symbol; between commas equal numbers of a group, which layers often force."""
    groups: dict[object, list[Place]] = {}
    for place in written.places:
        key: object = place.position
        if not place.text.isdigit():
            key = place.text
        elif isinstance(written.tree, CommaForm) and kinds[place.position].group != REPEAT:
            key = (kinds[place.position].group, int(place.text))
        groups.setdefault(key, []).append(place)
    return groups


def _numbered(handles: Sequence[Handle]) -> list[Handle]:
    """The handles, with a number behind a label that several have."""
    labels = [handle.label for handle in handles]
    seen: dict[str, int] = {}
    result = []
    for handle in handles:
        number = seen[handle.label] = seen.get(handle.label, 0) + 1
        many = labels.count(handle.label) > 1
        result.append(replace(handle, label=f"{handle.label} {number}") if many else handle)
    return result


# ------------------------------------------------------------------- what a size is
def _kinds(written: Written) -> Iterator[_Kind]:
    """What each place is."""
    if isinstance(written.tree, Widths):
        yield from _kinds_of_widths(written, written.tree)
        return
    inputs = [place for place in written.places if place.what == "the input shape"]
    for place in written.places:
        if place.what == "the input shape":
            yield _input_kind(inputs.index(place), len(inputs), is_sequence=written.is_sequence)
        else:
            is_last = place is written.places[-1] and place.what == "N"
            yield _OUTPUTS if is_last else _LAYER_KINDS.get(place.what, _OTHER)


def _input_kind(number: int, axes: int, *, is_sequence: bool) -> _Kind:
    if axes == 1:
        return _Kind(LENGTH, "t", "sequence length") if is_sequence else _Kind(FEATURES, "n", "inputs")
    if axes == 2:
        return (_Kind(LENGTH, "t", "sequence length"), _Kind(FEATURES, "n", "features"))[number]
    return _Kind(FEATURES, "n", "input channels") if number == 0 else _Kind(IMAGE, "p", "image size")


def _kinds_of_widths(written: Written, tree: Widths) -> Iterator[_Kind]:
    """The input, hidden layers and the output; behind a width the number of layers that have it."""
    widths = [width for width in tree.widths if isinstance(width, Width)]
    role = {width.size.position: number for number, width in enumerate(widths)}
    for place in written.places:
        number = role.get(place.position)
        if place.what == "the input shape":
            yield _Kind(FEATURES, "n", "inputs")
        elif number is None:
            yield _LAYER_KINDS.get(place.what, _OTHER)
        elif number == len(widths) - 1 and widths[number].count is None:
            yield _OUTPUTS
        else:
            yield _Kind(FEATURES, "w", "hidden width")


def _families(written: Written, values: Mapping[str, int]) -> list[Handle]:
    """The widths of a family such as ``h0-h1-...-hl`` together, and its open end."""
    if not isinstance(written.tree, Widths):
        return []
    widths = written.tree.widths
    place = next((number for number, width in enumerate(widths) if isinstance(width, Dots)), None)
    if place is None or place + 1 >= len(widths):
        return []
    before, after = widths[place - 1], widths[place + 1]
    if not isinstance(before, Width) or not isinstance(after, Width):
        return []
    base = before.size.text.rstrip("0123456789")
    end = after.size.text.removeprefix(base)
    if end.isdigit():
        return []
    members = [
        width.size.text.removeprefix(base)
        for width in widths[:place]
        if isinstance(width, Width) and width.size.text.startswith(base)
    ]
    first = min((int(member) for member in members if member.isdigit()), default=0)
    size = values.get(f"{base}{first}", DEFAULTS[FEATURES])
    before_end = before.size.text.removeprefix(base)
    least = 1 + (int(before_end) if before_end.isdigit() else first)
    last = values.get(end, max(DEFAULTS[REPEAT], least))
    return [
        Handle(base, f"all widths {base}", FEATURES, size, is_open=True, base=base, first=first),
        Handle(end, f"last layer {end}", REPEAT, last, is_open=True, least=least, most=MAX_LAYERS - 1),
    ]


def bindings(handles: Sequence[Handle], open_names: Collection[str] = ()) -> dict[str, int]:
    """The sizes of the writer's own symbols, as ``symbols=`` takes them; those in ``open_names`` stay open."""
    result: dict[str, int] = {}
    for handle in handles:
        if not handle.is_open or handle.name in open_names or handle.group == BATCH:
            continue
        if handle.base:
            last = next(
                other for other in handles if other.group == REPEAT and other.label == f"last layer {other.name}"
            )
            result |= {f"{handle.base}{number}": handle.value for number in range(handle.first, last.value + 1)}
        else:
            result[handle.name] = handle.value
    return result
