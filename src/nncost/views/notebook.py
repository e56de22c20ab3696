"""Results and progress as a notebook shows them: text and HTML without scripts, which need no widgets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from nncost.timing import Progress
from nncost.units import seconds_text

if TYPE_CHECKING:
    from nncost.trainer.progress import Progress as TrainingProgress

_SECONDS_BETWEEN_UPDATES = 0.1


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def followed(progress: Progress | None, title: str) -> Iterator[Progress | None]:
    """Yield ``progress`` itself; without one, in a notebook, a bar."""
    if progress is not None or not in_notebook():
        yield progress
        return
    with notebook_bar(title) as shown:
        yield shown


@contextmanager
def notebook_bar(title: str) -> Iterator[Progress]:
    """Show what is being done, and how far it is, while it lasts; the bar is gone at the end."""
    with _bar(title) as show:
        yield lambda what, done, of: show(what, done, of, "")


@contextmanager
def training_bar() -> Iterator[Callable[[TrainingProgress], None]]:
    """Show a training's epoch, loss and the time left; the last of it stays."""
    with _bar("training", stays=True) as show:

        def on_step(progress: TrainingProgress) -> None:
            left = f", {seconds_text(progress.seconds_left)} left" if progress.step < progress.steps else ""
            title = f"epoch {progress.epoch}/{progress.epochs}"
            show(title, progress.step, progress.steps, f"loss {progress.loss:.4f}{left}")

        yield on_step


@contextmanager
def _bar(title: str, *, stays: bool = False) -> Iterator[Callable[[str, int, int, str], None]]:
    """A function that moves a bar; it is drawn at most ten times a second, and always at its end."""
    from IPython import display as notebook

    display: Any = notebook.display
    shown = display(_html(_markup(title, 0, 0, "")), raw=True, display_id=True)
    last = 0.0

    def show(what: str, done: int, of: int, said: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_UPDATES or done >= of:
            last = now
            shown.update(_html(_markup(what, done, of, said)), raw=True)

    try:
        yield show
    finally:
        if not stays:
            shown.update(_html(""), raw=True)


def _markup(what: str, done: int, of: int, said: str) -> str:
    amount = f' value="{done}" max="{of}"' if of else ""
    label = escape(what)
    return f'<label>{label} <progress{amount} aria-label="{label}"></progress> {escape(said)}</label>'


def _html(markup: str) -> dict[str, str]:
    return {"text/html": markup}
