"""Blocks in rows from left to right: boxes, and frames around rows of their own, with arrows from each to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nncost.dims import Dim
from nncost.views.drawing.layers import ATTENTION, CONV, DENSE, EMBEDDING, NORM, POOL, RECURRENT, UNKNOWN
from nncost.views.drawing.svg import Canvas
from nncost.views.drawing.text import fitted, text_width, times_of

SIZE, WORDS = 11.0, 158.0
"""The size of a block's lines, and how wide each may be."""
_PAGE = 1080.0
_TITLE, _LINE, _FEWEST = 12.5, 15.5, 92.0
_GAP, _ROW_GAP, _PAD, _HEAD = 28.0, 38.0, 14.0, 26.0
_PLUS = 8.0
"""The radius of the sum behind a residual module."""
_FILLS = {
    DENSE: "forward", CONV: "forward", RECURRENT: "forward", ATTENTION: "backward", EMBEDDING: "update", NORM: "other",
    POOL: "loss", UNKNOWN: "alarm", "input": "soft",
}  # fmt: skip


@dataclass(slots=True)
class Block:
    """A box with its lines, or a frame with blocks inside; ``rows`` are laid out for a width."""

    title: str
    lines: list[str] = field(default_factory=list)
    family: str = ""
    times: Dim = 1
    path: str = ""
    inside: list[Block] = field(default_factory=list)
    is_residual: bool = False
    is_gap: bool = False
    width: float = 0.0
    height: float = 0.0
    rows: list[list[Block]] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0


def draw_blocks(canvas: Canvas, blocks: Sequence[Block]) -> None:
    """Draw them in rows from left to right."""
    frame = Block("", inside=list(blocks))
    rows, _, _ = _laid_out(frame.inside, _PAGE)
    _draw_rows(canvas, rows, 0.0, 0.0, is_outermost=True)


def _laid_out(blocks: Sequence[Block], page: float) -> tuple[list[list[Block]], float, float]:
    """Rows that are no wider than the page, and the width and height of them all."""
    rows: list[list[Block]] = [[]]
    width = 0.0
    for block in blocks:
        _measure(block, page)
        if rows[-1] and width + _GAP + block.width > page:
            rows.append([])
            width = 0.0
        width += (_GAP if rows[-1] else 0.0) + block.width
        rows[-1].append(block)
    widths = [sum(block.width for block in row) + _GAP * (len(row) - 1) for row in rows]
    height = sum(max(block.height for block in row) for row in rows if row) + _ROW_GAP * (len(rows) - 1)
    return rows, max(widths), height


def _measure(block: Block, page: float) -> None:
    head = _heading(block)
    if not block.inside:
        texts = [
            text_width(head, _TITLE) + text_width(_stack(block), _TITLE) + 10 * bool(_stack(block)),
            *(text_width(line, SIZE) for line in block.lines),
        ]
        block.width = max(_FEWEST if not block.is_gap else 40.0, max(texts) + 18)
        block.height = 12 + _TITLE + _LINE * len(block.lines) + (4 if block.lines else 0)
        return
    below = 22.0 if block.is_residual else 0.0
    side = 2 * _PAD + (22.0 if block.is_residual else 0.0)
    block.rows, width, height = _laid_out(block.inside, page - side)
    note = text_width(_note(block), SIZE) + 2 * _PAD + 1
    block.width = max(width + side, text_width(head, _TITLE) + text_width(_stack(block), _TITLE) + 40, min(note, page))
    block.height = height + 2 * _PAD + _HEAD + (_LINE if _note(block) else 0.0) + below


def _heading(block: Block) -> str:
    return fitted(block.title, 260.0 if block.inside else WORDS - 30 * (block.times != 1), _TITLE)


def _stack(block: Block) -> str:
    return "" if block.times == 1 else times_of(block.times)


def _note(block: Block, width: float = 560.0) -> str:
    """What stands below a frame's name, on one line."""
    each = " each" if block.times != 1 else ""
    return fitted(" · ".join(block.lines) + each, width, SIZE)


# ------------------------------------------------------------------- drawing
def _draw_rows(
    canvas: Canvas, rows: Sequence[Sequence[Block]], x: float, y: float, *, is_outermost: bool = False
) -> None:
    before: Block | None = None
    for row in rows:
        height = max((block.height for block in row), default=0.0)
        left = x
        for block in row:
            block.x, block.y = left, y + (height - block.height) / 2
            _draw(canvas, block)
            _connect(canvas, before, block, is_first=block is row[0], lane=y - _ROW_GAP / 2)
            before = block
            left += block.width + _GAP
        y += height + _ROW_GAP


def _connect(canvas: Canvas, before: Block | None, block: Block, *, is_first: bool, lane: float) -> None:
    """An arrow from one block to the next; from row to row around the corner."""
    if before is None or (before.family == block.family and block.family in ("input", EMBEDDING)):
        return
    if not is_first:
        x, start, end = (
            before.x + before.width + (2 if not before.is_residual else _PLUS),
            _way_out(before),
            _way_in(block),
        )
        middle = x + (block.x - x) / 2
        corners = [] if abs(start - end) < 1 else [(middle, start), (middle, end)]
        canvas.line((x, start), *corners, (block.x - 2, end), arrow=True)
        return
    start, end = before.x + before.width / 2, block.x + min(block.width, 160.0) / 2
    canvas.line(
        (start, before.y + before.height + 2),
        (start, lane),
        (end, lane),
        (end, block.y - (2 if block.times == 1 else 8)),
        arrow=True,
    )


def _way_out(block: Block) -> float:
    """The height at which a block's output leaves it, that of a residual module behind its sum."""
    last = block.rows[-1][-1] if block.is_residual else block
    return last.y + last.height / 2


def _way_in(block: Block) -> float:
    first = block.rows[0][0] if block.is_residual else block
    return first.y + first.height / 2


def _draw(canvas: Canvas, block: Block) -> None:
    with canvas.titled(f"{block.path}: {', '.join(block.lines)}"):
        if block.is_gap:
            canvas.text(block.x + block.width / 2, block.y + _TITLE + 6, "• • •", _TITLE, colour="soft")
            canvas.text(block.x + block.width / 2, block.y + _TITLE + 6 + _LINE, block.lines[0], SIZE, colour="soft")
        elif block.inside:
            _draw_frame(canvas, block)
        else:
            _draw_box(canvas, block)


def _draw_box(canvas: Canvas, block: Block) -> None:
    fill = _FILLS.get(block.family, "soft")
    corner = 14.0 if block.family == "input" else 6.0
    if block.times != 1:
        for step in (6, 3):
            canvas.box(
                block.x + step, block.y - step, block.width, block.height, fill="paper", stroke=fill, corner=corner
            )
    dashed = {"stroke_dasharray": "5 3"} if block.family == UNKNOWN else {}
    canvas.box(block.x, block.y, block.width, block.height, fill="paper", stroke="paper", corner=corner)
    canvas.box(block.x, block.y, block.width, block.height, fill=fill, stroke=fill, corner=corner, fill_opacity="0.14",
               stroke_width="1.3", **dashed)  # fmt: skip
    middle, y = block.x + block.width / 2, block.y + _TITLE + 5
    head = _heading(block)
    if block.times == 1:
        canvas.text(middle, y, head, _TITLE, bold=True)
    else:
        canvas.text(block.x + 8, y, head, _TITLE, bold=True, anchor="start")
        canvas.text(block.x + block.width - 8, y, _stack(block), _TITLE, bold=True, anchor="end", colour="other")
    for i, line in enumerate(block.lines):
        colour = "alarm" if line == "unknown" else "ink" if i == 0 else "soft"
        canvas.text(middle, y + 2 + _LINE * (i + 1), line, SIZE, colour=colour, bold=line == "unknown")


def _draw_frame(canvas: Canvas, block: Block) -> None:
    repeated = block.times != 1
    for step in (6, 3) if repeated else ():
        canvas.box(block.x + step, block.y - step, block.width, block.height, fill="paper", stroke="other", corner=10)
    canvas.box(block.x, block.y, block.width, block.height, fill="paper", stroke="paper", corner=10)
    canvas.box(block.x, block.y, block.width, block.height, fill="soft", stroke="other" if repeated else "soft", corner=10,
               fill_opacity="0.06", stroke_width="1.4" if repeated else "1")  # fmt: skip
    x, y = block.x + _PAD, block.y + _TITLE + 7
    canvas.text(x, y, _heading(block), _TITLE, bold=True, anchor="start")
    canvas.text(block.x + block.width - 10, y, _stack(block), _TITLE * 1.15, bold=True, anchor="end", colour="other")
    canvas.text(x, y + _LINE, _note(block, block.width - 2 * _PAD), SIZE, colour="soft", anchor="start")
    shift = 11.0 if block.is_residual else 0.0
    _draw_rows(canvas, block.rows, x + shift, block.y + _HEAD + _LINE + _PAD - 4)
    if block.is_residual:
        _skip(canvas, block)


def _skip(canvas: Canvas, block: Block) -> None:
    """The way around the blocks of a residual module, whose input is added to what they return."""
    first, last = block.rows[0][0], block.rows[-1][-1]
    start, lane = first.y + first.height / 2, block.y + block.height - 13
    plus_x, plus_y = block.x + block.width, last.y + last.height / 2
    canvas.line((block.x + 2, start), (first.x - 2, start), arrow=True)
    canvas.line((block.x + 8, start), (block.x + 8, lane), (plus_x, lane), (plus_x, plus_y + _PLUS), arrow=True)
    canvas.line((last.x + last.width + 2, plus_y), (plus_x - _PLUS, plus_y), arrow=True)
    canvas.circle(plus_x, plus_y, _PLUS, fill="paper", stroke="ink", stroke_width="1.2")
    canvas.line((plus_x - 4.5, plus_y), (plus_x + 4.5, plus_y), colour="ink")
    canvas.line((plus_x, plus_y - 4.5), (plus_x, plus_y + 4.5), colour="ink")
