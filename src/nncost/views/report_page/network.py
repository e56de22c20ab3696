"""What a report page says of one network: its sections, each a title with markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import takewhile

from nncost.documents.document import Block, Document, Facts, Heading, Line, Maths, Note, Section, Shell, Table, Work
from nncost.documents.html import block, body, cut, text
from nncost.records import record, replace
from nncost.report import Report
from nncost.timing.prediction import Prediction
from nncost.units import bytes_text, counted, exact, seconds_text
from nncost.views.count import MEMORY, count_document, warnings
from nncost.views.memory import timeline_blocks
from nncost.views.predict import predict_document
from nncost.views.report_page.layer_tree import layer_tree
from nncost.views.report_page.pictures import pictures

_MAX_LINES = 120
"""Worked lines of one sum; more of them say the same again."""

_MAX_NUMBERS = 60
"""Rows of the numbers behind a picture; the JSON holds all of them."""

_NO_SECONDS = "Seconds are not on this page: they need a device, and sizes that are numbers, when it is made."


@record
class Network:
    """A report with what belongs to it: its arithmetic worked out, and its seconds on a device; None where not known."""

    report: Report
    explanation: Document | None = None
    prediction: Prediction | None = None


def tiles(network: Network) -> Iterator[tuple[str, str]]:
    """Yield the answers that come first: a name and an amount."""
    report = network.report
    yield "parameters", exact(report.parameters.total)
    if report.storage is not None:
        yield "bytes", exact(report.parameters.bytes)
        return
    yield "multiply-adds forward", exact(report.forward.macs)
    yield "flops of a step", exact(report.step.flops)
    peak = report.memory.step_peak if report.settings["loss"] != "none" else report.memory.forward_peak
    if isinstance(peak, int):
        yield "memory at the peak", bytes_text(peak)
    if network.prediction is not None:
        yield f"a step on {network.prediction.device['name']}", seconds_text(network.prediction.seconds["step"].value)


def sections(network: Network) -> Iterator[tuple[str, str]]:
    """Yield titles and markup: what was counted, and the picture, layers, memory, time and arithmetic of it."""
    report = network.report
    if report.storage is not None:
        from nncost.views.checkpoint import checkpoint_document

        yield "Stored parameters", _body(checkpoint_document(report))
        return
    yield "Totals", _totals(report)
    yield from _pictures(network)
    yield "Layers", _tree(report)
    yield "Memory", _memory(report)
    yield "Time", _time(network)
    if network.explanation is not None:
        yield "Arithmetic", _folded(network.explanation)
    yield "Assumptions", _assumptions(report)


def alarms(report: Report) -> str:
    """The warnings, and every unknown operation with its layer."""
    found = warnings(report)
    if not found:
        return ""
    said = "\n".join(block(note) for note in found)
    if report.complete:
        return said
    rows = tuple((item["op"], item["path"], item.get("reason", "")) for item in report.unknown)
    unknown = Table(("unknown operation", "layer", "why"), rows, align="lll")
    return f"{said}\n<details>\n<summary>{counted(len(rows), 'unknown operation')}</summary>\n{block(cut(unknown))}\n</details>"


def _body(document: Document, without: tuple[type, ...] = ()) -> str:
    """A document's sections without its title and without some kinds of blocks, and without commands."""
    kept = (
        Section(section.title, tuple(cut(each) for each in section.blocks if not isinstance(each, (Shell, *without))))
        for section in document.sections
    )
    return body(Document("", tuple(kept)), level=3)


def _totals(report: Report) -> str:
    """What a count says before it comes to memory, which has a section of its own."""
    (section,) = count_document(report, by="phase").sections
    is_before = takewhile(lambda each: each != Heading(MEMORY), section.blocks)
    return "\n".join(block(each, 3) for each in is_before)


def _tree(report: Report) -> str:
    """The tree as data, which the page's script shows; without scripts, the table of a count."""
    tree = json.dumps(layer_tree(report).to_dict(), ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<div class="layer-tree"><script type="application/json">{tree}</script></div>\n'
        f"<noscript>{_body(count_document(report), without=(Note, Facts))}</noscript>"
    )


def _pictures(network: Network) -> Iterator[tuple[str, str]]:
    charts = tuple(pictures(network.report, network.prediction))
    if charts:
        yield (
            "Pictures",
            "\n".join(['<div class="pictures">', *(block(cut(c, _MAX_NUMBERS)) for c in charts), "</div>"]),
        )


def _memory(report: Report) -> str:
    from nncost.views.memory import memory_facts

    facts = block(Facts(tuple(memory_facts(report))))
    if not report.memory.timeline:
        return facts
    timeline = "\n".join(block(cut(each)) for each in timeline_blocks(report) if isinstance(each, (Table, Note)))
    return f"{facts}\n<details>\n<summary>Layer by layer</summary>\n{timeline}\n</details>"


def _time(network: Network) -> str:
    if network.prediction is None:
        return f"<p>{_NO_SECONDS}</p>"
    device, label = network.prediction.device, network.prediction.label
    title = f"On {device.get('title') or device['name']}: {label}."
    return f"<p>{text(title)}</p>\n{_body(predict_document(network.prediction))}"


def _folded(document: Document) -> str:
    """Each topic behind its title; those of the first section, which answer in sentences, open."""
    parts = []
    for section in document.sections:
        inner = "\n".join(block(cut(_shortened(each)), 4) for each in section.blocks if not isinstance(each, Shell))
        title = f"<summary>{text(section.title)}</summary>"
        parts.append(f"<details>\n{title}\n{inner}\n</details>" if section.title else inner)
    return "\n".join(parts)


def _shortened(each: Block) -> Block:
    """Worked lines of a sum with many layers: the first of them, and how many there are."""
    if isinstance(each, Work) and len(each.lines) > _MAX_LINES:
        more = Line(f"… {len(each.lines) - _MAX_LINES:,} more lines", None, None, Maths("…", r"\dots"))
        return replace(each, lines=(*each.lines[:_MAX_LINES], more))
    return each


def _assumptions(report: Report) -> str:
    """The settings, and every note on how the numbers came about."""
    settings = Facts(tuple((name, str(value)) for name, value in report.settings.items()))
    notes = [
        each
        for section in count_document(report, by="phase").sections
        for each in section.blocks
        if isinstance(each, Note) and not each.is_warning
    ]
    return "\n".join([block(settings), *(block(note) for note in notes)])
