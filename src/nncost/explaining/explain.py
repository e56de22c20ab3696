"""From a source to its explanation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from nncost.dims import is_symbolic
from nncost.documents.document import Block, Document, Paragraph, Section, Work
from nncost.errors import Instead, OptionError, QuantityError
from nncost.explaining.accounts import accounts_of
from nncost.explaining.backward import backward
from nncost.explaining.cards.card import BATCH
from nncost.explaining.context import Context
from nncost.explaining.forward import forward, loss
from nncost.explaining.memory import memory
from nncost.explaining.neurons import neurons
from nncost.explaining.parameters import parameters
from nncost.explaining.phase import flops
from nncost.explaining.run import run
from nncost.explaining.shapes import shapes
from nncost.explaining.short_answer import FEW_LAYERS, has_answer, is_empty, short_answer, widths
from nncost.explaining.topics import MEMORY, NEURONS, PARAMETERS, RUN, SHAPES, STEP, TIME, TOPICS, Topic, parse
from nncost.explaining.update import step, update
from nncost.explaining.words import listed
from nncost.ir.graph import PHASES, Graph
from nncost.ir.training.losses import NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.notation.written import quoting, tidied, written
from nncost.pipeline.count import count_source
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.records import replace

_TITLE = 200
"""Characters of a name that a title shows."""
CHECKPOINT = "weights"
"""The kind of source that holds only parameters."""

_SECTIONS: Mapping[str, tuple[str, Callable[[Context, Topic], list[Block]]]] = {
    SHAPES: ("Shapes", shapes),
    PARAMETERS: ("Parameters", parameters),
    NEURONS: ("Neurons", neurons),
    "forward": ("Forward pass", forward),
    "loss": ("Loss", loss),
    "backward": ("Backward pass", backward),
    "update": ("Update", update),
    STEP: ("One step together", step),
    RUN: ("The whole run", run),
    MEMORY: ("Memory of one step", memory),
}
"""The title and the content of each topic but ``time``."""
_NO_LOSS = "No loss is named, so there is nothing to differentiate. Name one, for example with --loss squared_error."
_NOTHING = Paragraph("None: there is nothing to add up here.")
_NO_OPTIMIZER = "No optimizer is named, so no parameter is updated."


def explain_source(source: str | Graph, topic: str | None, settings: Settings) -> Document:
    """Return the worked arithmetic of a source: all of it, one topic, or one quantity such as ``forward.mul``.

    Raise QuantityError for an unknown topic, and another NncostError for a source that cannot be explained.
    """
    asked = None if topic is None else parse(topic)
    if asked is not None and asked[0].head == RUN and settings.examples is None:
        raise QuantityError(
            "a run needs the number of examples.",
            hint="For example: --examples 60000 --epochs 10",
            instead=Instead("", "--examples 60000 --epochs 10"),
        )
    counted = count_source(source, settings)
    if counted.model.kind == CHECKPOINT:
        raise OptionError("there is no arithmetic to explain in a checkpoint.", hint=counted.model.notes[0])
    accounts = accounts_of(counted, valid_taps=settings.taps == "valid")
    context = Context(source, settings, counted, report_on(source, settings), accounts)
    wanted = list(asked) if asked is not None else _all_topics(context)
    if len(wanted) > 1:
        wanted = [each for each in wanted if not is_empty(context, each)]
    ambiguous = ambiguous_symbols(context)
    with quoting(ambiguous):
        if ambiguous:  # what is written in the accounts is written anew
            context = replace(context, accounts=accounts_of(counted, valid_taps=settings.taps == "valid"))
        sections = [_introduction(context, wanted), *(_section(context, each) for each in wanted)]
    if ambiguous:
        sections[0] = Section("", (*sections[0].blocks, Paragraph(_QUOTED.format(listed(ambiguous)))))
    return Document(f"{_short(context.report.source.name)}, worked out", tuple(sections))


_QUOTED = (
    "In quotes stand the sizes that the source itself names {}; without quotes they are letters of this explanation."
)


def ambiguous_symbols(context: Context) -> list[str]:
    """Return the names of sizes in the source that its cards use for something else."""
    letters: set[str] = set()
    symbols: set[str] = set()
    for entry in context.accounts.entries:
        if entry.reading is not None:
            letters |= {*entry.reading.card.letters, *entry.reading.card.symbols}
            symbols |= {str(s) for value in entry.reading.values for s in getattr(value, "free_symbols", ())}
    own_meaning = {BATCH} if str(context.counted.model.batch) == BATCH else set()
    return sorted((letters & symbols) - own_meaning)


def _short(name: str) -> str:
    """The name of a file, or a spec; the middle of a long one is left out."""
    name = name if "," in name else re.split(r"[/\\\\]", name)[-1]
    return name if len(name) <= _TITLE else f"{name[: _TITLE - _TITLE // 4]} … {name[-_TITLE // 4 :]}"


def _all_topics(context: Context) -> list[Topic]:
    heads = [head for head in TOPICS if head != RUN or context.report.run is not None]
    if context.counted.loss == NO_LOSS:
        heads = [head for head in heads if head not in ("loss", "backward", "update", STEP)]
    return [Topic(head) for head in heads]


def _section(context: Context, topic: Topic) -> Section:
    if topic.head == TIME:
        from nncost.explaining.time.section import time

        return time(context)
    title, content = _SECTIONS[topic.head]
    if topic.quantity is not None:
        title = f"{topic.path} = {tidied(context.report.quantity(topic.path)).text}"
    if topic.head in ("loss", "backward") and context.counted.loss == NO_LOSS:
        return Section(title, (Paragraph(_NO_LOSS),))
    if topic.head == "update" and context.counted.optimizer == NO_OPTIMIZER:
        return Section(title, (Paragraph(_NO_OPTIMIZER),))
    is_flops = topic.quantity == "flops" and topic.head in PHASES
    blocks = flops(context, topic.head) if is_flops else content(context, topic)
    return Section(title, tuple(_NOTHING if isinstance(block, Work) and not block.lines else block for block in blocks))


def _introduction(context: Context, topics: Sequence[Topic]) -> Section:
    settings, batch = context.report.settings, context.counted.model.batch
    size = tidied(batch).text
    examples = f"{size} example{'' if batch == 1 else 's'}" if not is_symbolic(batch) else f"{size} examples"
    batches = "" if settings["accumulate"] == 1 else f"{settings['accumulate']} batches of "
    if settings["loss"] == NO_LOSS:
        text = f"The forward pass of {batches}{examples}, without training."
    else:
        text = f"One training step on {batches}{examples}: loss {settings['loss']}, optimizer {settings['optimizer']}."
    answer = [Paragraph(short_answer(context, topics))] if has_answer(context, topics) else []
    content = [*answer, Paragraph(text), *_chain(context)]
    content += [Paragraph(note) for note in context.report.notes]
    if not context.report.complete:
        unknown = ", ".join(f"{item['op']} ({item['path']})" for item in context.report.unknown)
        content.append(Paragraph(f"Incomplete: these operations are unknown and not counted: {unknown}."))
    return Section("", tuple(content))


def _chain(context: Context) -> list[Paragraph]:
    """How to read the widths of a network of dense layers."""
    sizes = widths(context)
    if context.counted.model.kind != "spec" or not 1 <= len(sizes) <= FEW_LAYERS:
        return []
    steps = ", ".join(f"{written(narrow).text}→{written(wide).text}" for narrow, wide in sizes)
    layers = "this is 1 layer" if len(sizes) == 1 else f"these are {len(sizes)} layers"
    return [Paragraph(f"The first number is the input, not a layer, so {layers}: {steps}.")]
