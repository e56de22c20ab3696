"""The memory of one step: what is there before it, what it takes, and what is held at the peak."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.counting.memory.step import EXACT, allocations_of
from nncost.counting.memory.timeline import at_peak, kept_for_backward
from nncost.dims import Dim, add_all, is_largest, is_symbolic, parts_of, product, same, tidy
from nncost.documents.document import Block, Equation, Heading, Line, Maths, Paragraph, Table
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.context import Context
from nncost.explaining.topics import Topic
from nncost.explaining.working import gathered, summed
from nncost.ir.dtypes import whole_bytes
from nncost.ir.graph import Parameter, Tensor
from nncost.ir.storage import Allocation, Timeline
from nncost.ir.training.losses import NO_LOSS
from nncost.notation.written import joined, multiplied, tidied, written

_BEFORE = ("parameters", "buffers", "optimizer_state", "inputs", "resident")
_COUNTERS = "What the optimizer keeps beside copies of the parameters are numbers of steps, one for each tensor."
_NUMBER_BYTES = (4, 8, 2, 1)
"""Widths of a number that an input may have, the likeliest first."""


def memory(context: Context, topic: Topic) -> list[Block]:
    """Return the memory of a step, or one of its quantities."""
    wanted, training = topic.quantity, context.counted.loss != NO_LOSS
    content: list[Block] = []
    if wanted is None or wanted in _BEFORE:
        content += _before(context)
    if training and wanted in (None, "activations"):
        content += _kept(context)
    if training and (wanted == "gradients" or (wanted is None and context.report.memory.gradients != 0)):
        content += _gradients(context)
    if wanted in (None, "workspace"):
        content += _workspace(context)
    for name, title in (("forward", "The most during the forward pass"), ("step", "The most during the whole step")):
        is_wanted = wanted is None or wanted.startswith(name) or (name == "step" and wanted == "reserved_peak")
        if is_wanted and (name == "forward" or training):
            content += _peak(context, name, title)
    if not content and wanted is not None:
        amount = getattr(context.report.memory, wanted)
        said = (
            "It is not known here."
            if amount is None
            else f"It is {tidied(amount).text} bytes: there is no more to it here."
        )
        content = [Paragraph(said)]
    return content + [Paragraph(note) for note in context.report.memory.notes]


# ------------------------------------------------------------------- before the step
def _before(context: Context) -> list[Block]:
    report = context.report.memory
    learned = [p for p in context.counted.model.graph.parameters if p.role != "buffer"]
    buffers = [p for p in context.counted.model.graph.parameters if p.role == "buffer"]
    lines = [_stored("parameters", learned, report.parameters), _stored("buffers", buffers, report.buffers)]
    lines += [_state(context), _inputs(context)]
    known = [line for line in lines if line[1] != 0]
    explanation = "What is there before the step begins, and stays: every number takes the bytes of its type."
    counters = (
        [Paragraph(_COUNTERS)] if any(" + " in (line.numbers or line.result).text for line, _ in known[-2:-1]) else []
    )
    if report.resident is None:
        text = "The state of the optimizer, or the inputs, are not known here, so this is not all."
        return [Heading("Before the step"), Paragraph(explanation), gathered(known), *counters, Paragraph(text)]
    boxed = report.allocator != EXACT
    in_blocks = (
        [Paragraph(f"In the blocks of the allocator that is {tidied(report.resident).text} bytes.")] if boxed else []
    )
    title = "Before the step" if boxed else "Before the step (memory.resident)"
    return [Heading(title), Paragraph(explanation), gathered(known), *counters, *in_blocks]


def _stored(label: str, parameters: Sequence[Parameter], total: Dim) -> tuple[Line, Dim]:
    """The numbers of each type times its bytes."""
    by_type: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        by_type.setdefault(parameter.tensor.dtype, []).append(parameter)
    parts = []
    for dtype, given in by_type.items():
        elements = tidy(add_all(p.tensor.elements for p in given))
        each = whole_bytes(dtype)
        parts.append(
            written(tidy(add_all(p.tensor.bytes for p in given)))
            if each is None
            else multiplied(each, written(elements), loose=is_symbolic(elements))
        )
    value = add_all(p.tensor.bytes for p in parameters)
    numbers = joined(parts, " + ", " + ") if parts and same(value, total) else None
    return Line(label, None, numbers, tidied(total)), total


def _state(context: Context) -> tuple[Line, Dim]:
    """As many copies of the trained parameters as the optimizer keeps, and the rest."""
    total = context.report.memory.optimizer_state or 0
    trained = add_all(parameter.tensor.bytes for parameter in context.counted.step.gradients)
    copies = whole_quotient(total, trained) if trained != 0 else None
    numbers = None
    if copies is not None:
        numbers = multiplied(copies, tidied(trained), loose=is_symbolic(trained))
    elif not is_symbolic(total) and not is_symbolic(trained) and trained:
        copies, rest = divmod(int(total), int(trained))
        numbers = joined([multiplied(copies, tidied(trained), loose=False), tidied(rest)], " + ", " + ")
    return Line(f"state of {context.counted.optimizer}", None, numbers, tidied(total)), total


def _inputs(context: Context) -> tuple[Line, Dim]:
    """The values of each input times the bytes of one; the loss's targets are what remains."""
    total = context.report.memory.inputs
    if total is None:
        return Line("inputs", None, None, tidied(0)), 0
    parts = _input_parts(context, total)
    if parts is None:
        return Line("inputs", None, None, tidied(total)), total
    return Line(parts[0], None, joined(parts[1], " + ", " + "), tidied(total)), total


def _input_parts(context: Context, total: Dim) -> tuple[str, list[Maths]] | None:
    """What the inputs are called and each of them in numbers and bytes; None where their types are not known."""
    step, shapes = context.counted.step, list(context.report.source.inputs.values())
    if context.counted.model.trace is None:
        states = sum(map(len, step.states.values()))
        given = step.graph.inputs[: len(step.graph.inputs) - states]
        name = "inputs and targets" if len(given) > len(shapes) else "inputs"
        return name, [_in_bytes(tensor) for tensor in given]
    for width in _NUMBER_BYTES:
        rest = tidy(total - add_all(width * product(shape) for shape in shapes))
        if shapes and rest == 0:
            return "inputs", [_sized(width, shape) for shape in shapes]
        if (
            shapes
            and width == _NUMBER_BYTES[0]
            and context.counted.loss != NO_LOSS
            and not is_symbolic(rest)
            and rest > 0
        ):
            return "inputs and targets", [*(_sized(width, shape) for shape in shapes), tidied(rest)]
    return None


def _in_bytes(tensor: Tensor) -> Maths:
    each = whole_bytes(tensor.dtype)
    return tidied(tensor.bytes) if each is None else _sized(each, tensor.shape)


def _sized(width: int, shape: Sequence[Dim]) -> Maths:
    sizes = [written(dim) for dim in shape if dim != 1] or [written(1)]
    return multiplied(width, joined(sizes, "·", r" \cdot "), loose=False)


# ------------------------------------------------------------------- during the step
def _kept(context: Context) -> list[Block]:
    total, timeline = context.report.memory.activations, _timeline(context)
    heading = Heading("Kept for the backward pass (memory.activations)")
    if total is None:
        return []
    kept = [] if timeline is None else kept_for_backward(timeline)
    text = (
        "Values of the forward pass that the loss or the backward pass will read again: until then they are held. Each "
        "number is the bytes of one tensor, or of all that a layer keeps."
    )
    if not same(add_all(a.bytes for a in kept), total):
        return [heading, Paragraph(text), summed((Line("kept", None, None, tidied(total)),), total)]
    return [heading, Paragraph(text), _by_layer(kept)]


def _gradients(context: Context) -> list[Block]:
    line = _stored("gradients", list(context.counted.step.gradients), context.report.memory.gradients)
    text = "One number for each trained parameter, of its type."
    return [Heading("Gradients (memory.gradients)"), Paragraph(text), gathered([line])]


def _workspace(context: Context) -> list[Block]:
    largest = context.report.memory.workspace
    timeline = _timeline(context)
    if not largest or timeline is None:
        return []
    places = [a for a in timeline.allocations if a.kind == "workspace" and same(a.bytes, largest)]
    where = f"{places[0].path} {places[0].phase}" if places else "step"
    text = "The most that one operation takes for itself and gives back when it is done."
    return [
        Heading("Workspace (memory.workspace)"), Paragraph(text), gathered([(Line(where, None, None, tidied(largest)), largest)]),
    ]  # fmt: skip


def _peak(context: Context, name: str, title: str) -> list[Block]:
    """What is held at the moment that needs the most: before the step, and layer by layer on top."""
    memory, timeline = context.report.memory, _timeline(context)
    total, resident = getattr(memory, f"{name}_peak"), memory.resident
    if total is None or resident is None or timeline is None:
        return []
    heading = Heading(f"{title} (memory.{name}_peak)")
    if is_symbolic(total):
        return [heading, *(_candidates(context) if name == "step" else []), *_formulas(total)]
    held = at_peak(timeline, forward=name == "forward")
    lines = [(Line("before the step", None, None, tidied(resident)), resident), *_lines(held)]
    content: list[Block] = [heading, Paragraph(_moment(context, name, held)), gathered(lines)]
    if memory.allocator != EXACT:
        content.append(Paragraph(f"In the blocks of the allocator that is {tidied(total).text} bytes."))
    return content


def _moment(context: Context, name: str, held: Sequence[Allocation]) -> str:
    if not held:
        return "Nothing is taken on top of what is there."
    last = max(held, key=lambda allocation: allocation.born)
    where = _layer(last.path, last.phase)
    whole = "step" if name == "step" else "forward pass"
    return f"The {whole} holds the most in {where}. What is there at that moment, by the layer that took it:"


def _layer(path: str, phase: str) -> str:
    """``dense.1 forward``; a phase that is no layer's has its name alone."""
    return path if path == phase else f"{path} {phase}".strip()


def _candidates(context: Context) -> list[Block]:
    """Which moment is the peak depends on the symbols: all that it may be."""
    rows = tuple((_layer(c.path, c.phase), tidied(c.bytes)) for c in context.report.memory.candidates)
    text = "Which moment needs the most depends on the symbols; it is one of these:"
    return [Paragraph(text), Table(("moment", "bytes"), rows, align="ll")] if rows else []


def _formulas(total: Dim) -> list[Block]:
    """The amount as the largest of its formulas."""
    parts = parts_of(total) if is_largest(total) else [total]
    text = "The largest of these formulas, in bytes:" if len(parts) > 1 else "In bytes:"
    return [Paragraph(text), *(Equation(tidied(part)) for part in parts)]


def _timeline(context: Context) -> Timeline | None:
    counted = context.counted
    return allocations_of(counted.model, counted.step, counted.kernels, context.settings.accumulate)


def _by_layer(allocations: Sequence[Allocation]) -> Block:
    return gathered(_lines(allocations))


def _lines(allocations: Sequence[Allocation]) -> list[tuple[Line, Dim]]:
    """One line per layer, phase and kind, in the order in which they were taken."""
    sizes: dict[str, list[Dim]] = {}
    for a in sorted(allocations, key=lambda allocation: allocation.born):
        what = {"gradient": "gradients", "workspace": "workspace", "value": ""}[a.kind]
        phase = "" if a.kind == "gradient" or a.phase == a.path else a.phase
        sizes.setdefault(" ".join(part for part in (a.path, phase, what) if part), []).append(a.bytes)
    lines = []
    for label, parts in sizes.items():
        total = add_all(parts)
        numbers = joined([tidied(part) for part in parts], " + ", " + ") if 1 < len(parts) <= _FEW else None
        lines.append((Line(label, None, numbers, tidied(total)), total))
    return lines


_FEW = 6
"""Up to so many allocations of one layer are shown one by one."""
