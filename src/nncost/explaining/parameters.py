"""Parameters: the weights, biases and other learned numbers of each layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nncost.dims import Dim, add_all, exact_divide, is_symbolic, product, tidy
from nncost.documents.document import Block, Equation, Heading, Line, Maths, Paragraph, Work
from nncost.explaining.accounts import Entry
from nncost.explaining.cards.card import Card
from nncost.explaining.context import Context
from nncost.explaining.derivation import blocks, letters_of, put_in
from nncost.explaining.neurons import input_values
from nncost.explaining.phase import cards_of
from nncost.explaining.topics import Topic
from nncost.explaining.working import gathered, summed
from nncost.ir.dtypes import DTYPE_BITS, whole_bytes
from nncost.ir.graph import Parameter, Role, Tensor
from nncost.notation.written import joined, multiplied, tidied, written

_ROLES: tuple[tuple[Role, str, str], ...] = (
    ("weight", "weights", "Weights"),
    ("bias", "biases", "Biases"),
    ("other", "other", "Other learned numbers"),
)
_ALL_ROLES = (None, "total", "trainable", "bytes")


def parameters(context: Context, topic: Topic) -> list[Block]:
    """Return all parameters, or one of their quantities."""
    quantity = topic.quantity
    roles = [(role, title) for role, name, title in _ROLES if quantity in (*_ALL_ROLES, name)]
    if quantity == "buffers":
        roles = [("buffer", "Buffers: stored numbers that no derivative changes")]
    content: list[Block] = _cards(context) if quantity is None else []
    for role, title in roles:
        given = [p for p in context.counted.model.graph.parameters if p.role == role]
        if given:
            content += [Heading(title), _lines(context, given)]
    content += _together(context, quantity)
    if quantity is None:
        content += _caveats(context)
    return content


def _cards(context: Context) -> list[Block]:
    content: list[Block] = []
    for card in cards_of(context.accounts.of("forward")):
        if card.parameters:
            content += [Equation(equation) for equation in card.equations] if card.title == "dense layer" else []
            content.append(Paragraph(f"{card.title[0].upper()}{card.title[1:]}: {card.parameters}.{_letters(card)}"))
    learned = any(parameter.role != "buffer" for parameter in context.counted.model.graph.parameters)
    return content if content or learned else [Paragraph("Nothing here is learned: the network has no parameters.")]


def _letters(card: Card) -> str:
    """What the letters in the sizes of a card's parameters mean."""
    used = {s.name for _, _, size in blocks(card) for s in getattr(size, "free_symbols", ())}
    meanings = [f"{letter} {meaning}" for letter, meaning in card.letters.items() if letter in used]
    return f" Here: {'; '.join(meanings)}." if meanings else ""


# ------------------------------------------------------------------- worked lines
def _lines(context: Context, given: Sequence[Parameter]) -> Work:
    """One line per tensor, with its name if a layer has several of its role."""
    tensors = Counter(parameter.path for parameter in given)
    cards = _entries_with_parameters(context)
    number: Counter[str] = Counter()
    lines: list[tuple[Line, Dim]] = []
    for parameter in given:
        path, elements = parameter.path, parameter.tensor.elements
        name = f"{path}.{parameter.tensor.name}" if tensors[path] > 1 else path
        formula, numbers = _derived(cards.get(path), parameter, number[path])
        number[path] += 1
        lines.append((Line(name, formula, numbers, tidied(elements)), elements))
    return gathered(lines)


def derivatives(context: Context) -> Work:
    """Return one derivative per trained number: every layer's tensors added up."""
    by_path: dict[str, list[Parameter]] = {}
    for parameter in context.counted.step.gradients:
        by_path.setdefault(parameter.path, []).append(parameter)
    numbers: Counter[tuple[str, Role]] = Counter()
    cards = _entries_with_parameters(context)
    lines: list[tuple[Line, Dim]] = []
    for path, given in by_path.items():
        total = add_all(parameter.tensor.elements for parameter in given)
        forms: list[tuple[Maths | None, Maths | None]] = []
        for parameter in given:
            forms.append(_derived(cards.get(path), parameter, numbers[path, parameter.role]))
            numbers[path, parameter.role] += 1
        lines.append((_added(path, given, forms, tidied(total)), total))
    return gathered(lines)


def _added(
    path: str, given: Sequence[Parameter], forms: Sequence[tuple[Maths | None, Maths | None]], result: Maths
) -> Line:
    """The tensors of one layer with plus signs between them."""
    in_numbers = _plus([numbers or tidied(p.tensor.elements) for (_, numbers), p in zip(forms, given, strict=True)])
    formulas = [formula for formula, _ in forms if formula is not None]
    in_letters = _plus(formulas) if len(formulas) == len(forms) else None
    return Line(path, in_letters, None if in_numbers.text == result.text else in_numbers, result)


def _plus(parts: Sequence[Maths]) -> Maths:
    return joined(parts, " + ", " + ")


def _entries_with_parameters(context: Context) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in context.accounts.of("forward"):
        if entry.reading is not None and blocks(entry.reading.card) and not entry.family:
            found.setdefault(entry.place[0], entry)
    return found


def _derived(entry: Entry | None, parameter: Parameter, number: int) -> tuple[Maths | None, Maths | None]:
    """A tensor's size in letters and with numbers put in, or its shape if no card gives them."""
    if entry is None or entry.reading is None:
        return None, _shape(parameter)
    card = entry.reading.card
    sizes = [size for role, _, size in blocks(card) if role == parameter.role]
    values = dict(zip(letters_of(card), entry.reading.values, strict=True))
    shown = dict(zip(letters_of(card), entry.reading.sizes, strict=True))
    times = _times(parameter.tensor.elements, put_in(sizes[number], values)) if number < len(sizes) else None
    if times is None:
        return None, _shape(parameter)
    forms = (written(sizes[number], letters_of(card)), written(sizes[number], letters_of(card), shown))
    formula, numbers = (form if times == 1 else multiplied(times, form, loose=False) for form in forms)
    result = tidied(parameter.tensor.elements).text
    return None if formula.text == result else formula, None if numbers.text in (result, formula.text) else numbers


def _times(elements: Dim, each: Dim) -> Dim | None:
    """How many layers of a repeated block share one stacked tensor; None if their sizes do not divide."""
    try:
        return tidy(exact_divide(elements, each))
    except (ValueError, ZeroDivisionError):
        return None


def _shape(parameter: Parameter) -> Maths | None:
    """The sizes of a tensor, multiplied."""
    sizes = [dim for dim in parameter.tensor.shape if dim != 1]
    if len(sizes) < 2 or any(is_symbolic(dim) for dim in sizes):
        return None
    return joined([written(dim) for dim in sizes], "·", r" \cdot ")


# ------------------------------------------------------------------- sums and caveats
def _together(context: Context, quantity: str | None) -> list[Block]:
    counts = context.report.parameters
    parts = [tidied(amount) for amount in (counts.weights, counts.biases, counts.other) if amount != 0]
    result: list[Block] = []
    if quantity in _ALL_ROLES and len(parts) > 1:
        result += [Heading("Together"), Work((Line("parameters", None, _plus(parts), tidied(counts.total)),))]
    if quantity == "trainable" or (quantity is None and counts.trainable != counts.total):
        numbers = joined([tidied(counts.total), tidied(counts.total - counts.trainable)], " − ", " - ")
        result.append(Work((Line("all − frozen", None, numbers, tidied(counts.trainable)),)))
    return result + (_bytes(context) if quantity == "bytes" else [])


def _bytes(context: Context) -> list[Block]:
    by_type: dict[str, list[Tensor]] = {}
    packed: list[Parameter] = []
    for parameter in context.counted.model.graph.parameters:
        if parameter.role != "buffer" and parameter.packed_bytes is not None:
            packed.append(parameter)
        elif parameter.role != "buffer":
            by_type.setdefault(parameter.tensor.dtype, []).append(parameter.tensor)
    lines = []
    if packed:
        of_packed = tidied(add_all(parameter.tensor.elements for parameter in packed)).text
        lines.append(Line(f"packed, {of_packed} numbers", None, None, tidied(add_all(p.bytes for p in packed))))
    for dtype, tensors in by_type.items():
        width, total = whole_bytes(dtype), tidied(add_all(tensor.bytes for tensor in tensors))
        amount = tidy(add_all(tensor.elements for tensor in tensors))
        if width is None:
            lines.append(Line(f"{dtype}, {DTYPE_BITS[dtype]} bits", None, None, total))
        else:
            numbers = multiplied(width, written(amount), loose=is_symbolic(amount))
            lines.append(Line(f"{dtype}, {width} bytes", None, numbers, total))
    return [Heading("Bytes"), summed(tuple(lines), context.report.parameters.bytes)]


def _caveats(context: Context) -> list[Block]:
    result: list[Block] = []
    buffers, neurons = context.report.parameters.buffers, context.report.neurons
    if buffers != 0:
        text = f"Besides these there are {tidied(buffers).text} buffers: stored numbers that are not learned, such as running averages."
        result.append(Paragraph(text))
    inputs = input_values(context)
    if inputs and neurons != 0:
        result.append(
            Paragraph(
                f"Input nodes are not neurons: the {tidied(product(inputs)).text} input values are given, not "
                "computed, so they have no weights, no bias and no activation of their own. The network has "
                f"{tidied(neurons).text} neurons."
            )
        )
    return result
