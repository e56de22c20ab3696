"""``nncost.train``: from a source and a table to a trained network, with its cost predicted and measured."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nncost.errors import MissingExtraError, OptionError, TrainingError
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.pipeline.settings import Settings
from nncost.records import record, replace
from nncost.trainer.checkpoint import STATE_FILE, Checkpoint, read_checkpoint, restore, save_checkpoint
from nncost.trainer.costs import Costs, costs_of
from nncost.trainer.engine import Engine
from nncost.trainer.examples import Examples, examples_of
from nncost.trainer.loop import Listener, Loop, batches_of
from nncost.trainer.network import Network, loss_for, network_of
from nncost.trainer.numpy_engine import NumpyEngine
from nncost.trainer.outcome import Training
from nncost.trainer.progress import State
from nncost.trainer.settings import DTYPES, TrainingSettings, training_settings
from nncost.trainer.tables import Table, read_table
from nncost.trainer.tables.arrays import table_of
from nncost.trainer.writing import write_results
from nncost.units import counted

FIXED = ("target", "task", "ignore", "batch", "optimizer", "seed", "test_share", "validation_share", "loss")
"""Settings that a training keeps when it is resumed."""


@record
class PreparedTraining:
    """Everything that is decided before the first step."""

    network: Network
    examples: Examples
    settings: TrainingSettings
    engine: Engine
    loss: str
    dtype: str
    state: State
    costs: Costs
    meta: Mapping[str, Any]


def train_source(
    source: Any,
    data: Any,
    settings: Settings,
    given: Mapping[str, Any],
    *,
    save: str | None = None,
    resume: str | None = None,
    on_step: Listener = lambda progress: None,
    on_start: Callable[[PreparedTraining], None] = lambda prepared: None,
) -> Training:
    """Train a network. ``given`` are the keywords of ``training_settings`` that were given.

    ``on_start`` is called with what was decided, ``on_step`` after each step. Raise an NncostError for anything that
    does not fit.
    """
    checkpoint = None if resume is None else read_checkpoint(resume)
    folder = _folder(save, checkpoint)
    prepared = _prepare(source, data, settings, given, checkpoint)
    if folder is not None:  # A folder that cannot be written is told before the training, not after it.
        _save(folder, prepared, prepared.state)
    on_start(prepared)
    with _interruptible() as interrupted:
        loop = Loop(
            prepared.engine, prepared.network, prepared.examples, prepared.settings, prepared.dtype, prepared.loss,
            prepared.state, prepared.costs.predicted_step, on_step, interrupted,
        )  # fmt: skip
        if folder is not None:
            loop.checkpoint = partial(_save, folder, prepared)
        finished = loop.run()
    return _outcome(prepared, loop, folder, finished=finished)


def _save(folder: Path, prepared: PreparedTraining, state: State) -> None:
    save_checkpoint(folder, prepared.engine, state, prepared.meta)


# ------------------------------------------------------------------- before the first step
def _prepare(
    source: Any, data: Any, settings: Settings, given: Mapping[str, Any], checkpoint: Checkpoint | None
) -> PreparedTraining:
    chosen = training_settings(**(_resumed(checkpoint, given) if checkpoint else given))
    dtype = settings.load.dtype
    if dtype not in DTYPES:
        raise OptionError(f"nncost train computes in {' or '.join(DTYPES)}, received {dtype}.")
    network = network_of(source, settings)
    table = _table(data, chosen)
    if chosen.target is None and not isinstance(data, str):
        chosen = replace(chosen, target=table.columns[-1].name)
    examples = examples_of(table, network, chosen, dtype)
    loss = loss_for(network, examples.task, chosen.loss)
    network = network.trained(loss, chosen.optimizer)
    engine = _engine(network, chosen, loss, dtype)
    meta = {
        "source": network.name, "dtype": dtype, "loss": loss, "settings": chosen.to_dict(),
        "examples": examples.fingerprint(), "classes": list(examples.task.labels),
    }  # fmt: skip
    state = State() if checkpoint is None else _continued(checkpoint, engine, meta, chosen, examples)
    rest = len(examples.split.train) % chosen.batch
    for size in {chosen.batch, rest} - {0}:
        engine.prepare_for(size)
    costs = costs_of(network, engine, examples, chosen, loss, dtype)
    return PreparedTraining(network, examples, chosen, engine, loss, dtype, state, costs, meta)


def _table(data: Any, settings: TrainingSettings) -> Table:
    return read_table(data, settings.target) if isinstance(data, str) else table_of(data)


def _engine(network: Network, settings: TrainingSettings, loss: str, dtype: str) -> Engine:
    """The engine asked for; by default PyTorch if it is installed and has the loss and the optimizer, else NumPy."""
    has_torch = find_spec("torch") is not None
    if settings.engine == "torch" and not has_torch:
        raise MissingExtraError("--engine torch", "torch", "torch")
    knows_both = bool(LOSSES[loss].torch) and OPTIMIZERS[settings.optimizer].torch is not None
    if settings.engine == "numpy" or not has_torch or (settings.engine == "auto" and not knows_both):
        return NumpyEngine(network, settings, dtype)
    from nncost.trainer.torch_engine import TorchEngine

    return TorchEngine(network, settings, loss, dtype)


def _resumed(checkpoint: Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a checkpoint with those given now. Raise TrainingError for one that cannot change."""
    kept = checkpoint.meta.get("settings")
    if not isinstance(kept, dict) or set(kept) != {field.name for field in fields(TrainingSettings)}:
        raise TrainingError(f"{checkpoint.path} is no checkpoint of nncost train: it has no settings.")
    for name in FIXED:
        now = list(given[name]) if name == "ignore" and name in given else given.get(name, kept.get(name))
        if now != kept.get(name):
            raise TrainingError(
                f"the training in {checkpoint.path} has {name} {kept.get(name)!r}, received {now!r}.",
                hint="Leave the option out to go on as before; epochs, learning rate and patience may change.",
            )
    engine = given.get("engine", "auto")
    wrote = str(checkpoint.meta.get("wrote_with", "auto"))
    return {**kept, **given, "engine": wrote if engine == "auto" else engine}


def _continued(
    checkpoint: Checkpoint, engine: Engine, meta: Mapping[str, Any], settings: TrainingSettings, examples: Examples
) -> State:
    """Restore the engine from a checkpoint and return its state. Raise TrainingError for another training's."""
    for name, what in (
        ("source", "the network"), ("dtype", "the dtype"), ("loss", "the loss"), ("examples", "the examples"),
    ):  # fmt: skip
        if checkpoint.meta.get(name) != meta[name]:
            shown = "" if name == "examples" else f": {checkpoint.meta.get(name)!r} there, {meta[name]!r} now"
            raise TrainingError(
                f"{checkpoint.path} is from another training: {what} differ{'' if name == 'examples' else 's'}{shown}.",
                hint="Give the spec and the file it was started with.",
            )
    state = restore(checkpoint, engine)
    batches = batches_of(len(examples.split.train), settings.batch)
    if state.batch >= batches or state.steps != state.epoch * batches + state.batch:
        raise TrainingError(
            f"{checkpoint.path} is no checkpoint of nncost train: its steps are not those of its epochs."
        )
    if state.epoch >= settings.epochs:
        raise TrainingError(
            f"the training in {checkpoint.path} has finished its {counted(state.epoch, 'epoch')}.",
            hint=f"Go on with more:  --epochs {2 * state.epoch}",
        )
    return state


def _folder(save: str | None, checkpoint: Checkpoint | None) -> Path | None:
    """Where to save. Raise TrainingError for a folder that holds another training."""
    if save is None:
        return None if checkpoint is None else Path(checkpoint.path).parent
    folder = Path(save)
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"--save takes a folder, and {save} is a file.")
    is_own = checkpoint is not None and (folder / STATE_FILE).exists() and folder.samefile(Path(checkpoint.path).parent)
    if (folder / STATE_FILE).exists() and not is_own:
        raise TrainingError(
            f"{save} holds a training already.", hint=f"Go on with it:  --resume {save}  or choose another folder."
        )
    return folder


# ------------------------------------------------------------------- Ctrl-C
@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C (or SIGTERM) for the loop to ask about; the second one ends the program at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------- after the last step
def _outcome(prepared: PreparedTraining, loop: Loop, folder: Path | None, *, finished: bool) -> Training:
    examples, settings, state = prepared.examples, prepared.settings, loop.state
    if not finished and folder is None:
        folder = _new_folder(prepared.network.name)
    if folder is not None and not finished:
        _save(folder, prepared, state)
    test = loop.score(examples.split.test) if finished and len(examples.split.test) else None
    best = state.best_epoch if settings.patience is not None and state.best_epoch else None
    result = Training(
        source=prepared.network.name, engine=prepared.engine.name, dtype=prepared.dtype, task=examples.task.kind,
        labels=examples.task.labels, loss=prepared.loss, settings=settings.to_dict() | {"loss": prepared.loss},
        rows={"train": len(examples.split.train), "validation": len(examples.split.validation), "test": len(examples.split.test)},
        parameters=prepared.costs.parameters, steps=state.steps, history=tuple(state.history), test=test,
        predicted=prepared.costs.predicted, measured=prepared.costs.measured(loop.durations), best_epoch=best,
        stopped_early=loop.stopped_early and state.epoch < settings.epochs, interrupted=not finished,
        notes=(*examples.notes, *prepared.costs.notes), predicted_by=prepared.costs.predicted_by,
        scaling=examples.to_dict(),
    )  # fmt: skip
    if folder is None:
        return result
    written, notes = write_results(folder, prepared.network, prepared.engine, result)
    return replace(result, files=(str(folder / STATE_FILE), *written), notes=(*result.notes, *notes))


def _new_folder(name: str) -> Path:
    """A folder beside the user's files that does not exist yet."""
    base = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).name).strip("-")[:40] or "network"
    number = 1
    while (folder := Path(f"{base}-training{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return folder
