"""The live bar of a training on a terminal: epoch, loss, accuracy and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nncost.trainer.progress import Progress
from nncost.units import seconds_text
from nncost.views.train import accuracy_text

SECONDS_BETWEEN_UPDATES = 0.1


@contextmanager
def live() -> Iterator[Callable[[Progress], None]]:
    """A function that moves the bar; it appears with the first step."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[said]}"))
    last, accuracy = 0.0, ""
    with Bar(*columns, console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("training", total=None, said="", visible=False)

        def on_step(progress: Progress) -> None:
            nonlocal last, accuracy
            finished = progress.finished
            if finished is not None and finished.accuracy is not None:
                accuracy = f"  {accuracy_text(finished)}"
            now = time.monotonic()
            if now - last < SECONDS_BETWEEN_UPDATES and progress.step < progress.steps:
                return
            last = now
            left = f"  {seconds_text(progress.seconds_left)} left" if progress.step < progress.steps else ""
            bar.update(
                task, completed=progress.step, total=progress.steps, visible=True, refresh=True,
                description=f"epoch {progress.epoch}/{progress.epochs}", said=f"loss {progress.loss:.4f}{accuracy}{left}",
            )  # fmt: skip

        yield on_step
