"""The public functions: ``count``, ``explain``, ``formula``, ``plot``, ``run``, ``predict``, ``measure``, ``train`` and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Unpack

from nncost.errors import OptionError
from nncost.frontends.arguments import whole
from nncost.pipeline.keywords import check_keywords, settings_of, truth
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import CountSettings, refuse, shared
from nncost.report import Report

if TYPE_CHECKING:
    from nncost.documents.document import Chart, Document
    from nncost.notation.formula import Formula
    from nncost.timing.devices.profile import Profile
    from nncost.timing.measure.measure import Measurement
    from nncost.timing.prediction import Prediction
    from nncost.trainer.outcome import Training
    from nncost.trainer.progress import Progress
    from nncost.trainer.run import PreparedTraining


def count(
    source: Any,
    inputs: Any = None,
    *,
    batch: int | str | None = None,
    symbols: Mapping[str, int] | None = None,
    loss: Any = None,
    optimizer: Any = None,
    backward: str = "auto",
    mode: str | None = None,
    examples: int | str | None = None,
    epochs: int = 1,
    accumulate: int = 1,
    freeze: str | Sequence[str] = (),
    taps: str = "dense",
    convention: str | None = None,
    dtype: str | None = None,
    bias: str = "all",
    activation: str = "sigmoid",
    reuse: bool = True,
    learn: bool | None = None,
    allocator: str = "exact",
    fits: int | str | None = None,
) -> Report:
    """Count everything a network computes, exactly: parameters, operations, activations, bytes.

    ``source`` is a spec such as ``"784-16-16-10"``, the path of a file (ONNX, a Hugging Face configuration, a checkpoint,
    ``"net.py:build"``), a ``torch.nn.Module`` or a Graph. ``inputs`` are those of its call: one tensor, a tuple (positional), a
    dict (by name) or ``nncost.Inputs``; a shape such as ``(1, 3, 224, 224)`` or ``"1x128:int64"`` stands for a tensor anywhere.
    A spec says its own.

    - ``batch``: examples in a batch; a number, or the name of a symbol such as ``"B"``
    - ``symbols``: sizes by name, ``{"h": 128}``; a name without a size stays a symbol, and amounts are formulas in it
    - ``loss``, ``optimizer``: names such as ``"cross_entropy"`` and ``"adam"``, ``"none"`` for neither; of a module also a
      callable, a class or an instance. A spec has ``"squared_error"`` and ``"sgd"``, others the forward pass only
    - ``backward``: ``"auto"``, PyTorch's own of a module, or ``"derived"``, always nncost's
    - ``mode``: ``"train"`` or ``"inference"`` for dropout and batch norm; None: train where there is a loss
    - ``examples``, ``epochs``: with them the report has the whole run, ``report.run``
    - ``accumulate``: so many micro-batches of ``batch`` examples make one step
    - ``freeze``: paths or patterns of layers that are not trained, ``"dense.1"`` or ``["conv.*"]``
    - ``taps``: ``"dense"``, or ``"valid"``, which leaves out products with a convolution's padding
    - ``convention``: what a flop is, such as ``"torch"`` or ``"fvcore"``; None: mul + add + div + sqrt + cmp + functions
    - ``dtype``: of parameters and activations, which decides the bytes; None: float32, or a module's own. Of a Hugging Face
      configuration also a format of its weights, such as ``"int4"`` or ``"nf4"``
    - ``bias``, ``activation``: of widths such as ``784-16-10``: ``"all"``, ``"hidden"``, ``"none"``; a name such as ``"relu"``
    - ``reuse``: False analyses each layer of a module, also one of many that are alike; the report is the same
    - ``learn``: whether operators of a module run alone to see which workspace they take: all, none, or (None) cheap ones
    - ``allocator``: ``"exact"``, or ``"cuda"`` for peaks of memory in the blocks of PyTorch's caching allocator
    - ``fits``: bytes, or a size such as ``"8GiB"``: the report says which batch is the largest whose step takes no more

    Return a :class:`Report`: ``report.parameters.total``, ``report.forward.mul``, ``report.step.flops``;
    ``print(report)`` shows its table, and so does a notebook; ``report.to_pandas()``, ``to_polars()``, ``to_arrow()`` and
    ``to_dict()`` hand it on.

    Raise SpecError, SourceError or ShapeError for a source that cannot be read or does not fit its inputs, OptionError or
    SymbolError for a value that is not accepted, MissingExtraError for a package that is not installed: each an
    NncostError.
    """
    given = {name: value for name, value in locals().items() if name not in ("source", "fits")}
    read, settings = _source(source), settings_of(**given)
    report = report_on(read, settings)
    if fits is None:
        return report
    from nncost.pipeline.largest_batch import with_fit
    from nncost.units import bytes_of

    return with_fit(report, read, settings, bytes_of("fits", fits))


def formula(
    source: Any,
    quantity: str = "parameters.total",
    *,
    at: Mapping[str, int] | None = None,
    inputs: Any = None,
    **settings: Unpack[CountSettings],
) -> Formula:
    """Return the closed form of a quantity in every symbol of the source.

    ``quantity`` is a path such as ``"parameters.total"``, ``"forward.mul"`` or ``"memory.step_peak"`` (bytes); ``at`` gives
    sizes at which its value is wanted, ``{"h": 128}``. ``source``, ``inputs`` and ``settings`` are those of :func:`count`.

    Raise QuantityError for a quantity there is none of, SymbolError for a symbol that the formula does not have, and
    whatever :func:`count` raises.
    """
    from nncost.notation.formula import formula_of

    report = report_on(_source(source), settings_of(inputs, **settings))
    return formula_of(quantity, report.quantity(quantity), at)


def explain(
    source: Any,
    topic: str | None = None,
    *,
    why: str | None = None,
    inputs: Any = None,
    **settings: Unpack[CountSettings],
) -> Document:
    """Return the worked arithmetic of a topic or of one quantity, layer by layer; ``print`` shows its text.

    ``topic`` is shapes, parameters, neurons, forward, loss, backward, update, step, run, memory, time, or a quantity:
    ``"mul"`` in every phase, ``"forward.mul"``, ``"memory.step_peak"``; None: all.
    With ``why``, the name of a convention such as ``"fvcore"``, instead a table of where its number differs from ours.
    ``source``, ``inputs`` and ``settings`` are those of :func:`count`.

    Raise OptionError for another topic, and whatever :func:`count` raises.
    """
    from nncost.explaining import explain_source, explain_why

    chosen = settings_of(inputs, **settings)
    if why is not None:
        if topic is not None:
            raise OptionError(f"why={why!r} explains all of the forward pass and takes no topic, received {topic!r}.")
        return explain_why(_source(source), why, chosen)
    return explain_source(_source(source), topic, chosen)


def run(
    source: Any,
    inputs: Any = None,
    seed: int = 0,
    *,
    batch: int | None = None,
    symbols: Mapping[str, int] | None = None,
    mode: str | None = None,
    dtype: str | None = None,
    bias: str = "all",
    activation: str = "sigmoid",
) -> dict[str, Any]:
    """Run the very graph that is counted and return its outputs, as NumPy arrays by name.

    ``source`` is a spec, an ONNX file or a Graph. Parameters are those of the file, or initial values that ``seed``
    decides. ``inputs`` are one array, a tuple (positional) or a dict (by name); None, or a shape such as ``"8x784"``
    in place of an array, stands for random numbers that ``seed`` decides. The first axis of an array is the batch.
    Outputs are named as in the file; that of a spec is ``y``. ``mode`` is ``"inference"`` (None) or ``"train"``:
    dropout and the batch's own statistics, which change no parameter. ``dtype`` is ``"float64"``, ``"float32"``
    (None) or ``"float16"``; ``batch``, ``symbols``, ``bias`` and ``activation`` are those of :func:`count`.

    Raise OptionError, ShapeError or SymbolError for inputs that do not fit, SourceError for what cannot be run.
    """
    from nncost.pipeline.outputs import run_source

    settings = settings_of(
        inputs, batch=batch, symbols=symbols, mode=mode, dtype=dtype, bias=bias, activation=activation
    )
    return run_source(_source(source), settings, whole("seed", seed, least=0))


def write_report(
    path: str | PathLike[str],
    *sources: Any,
    inputs: Any = None,
    on: str | None = None,
    **settings: Unpack[CountSettings],
) -> None:
    """Write all that is known of some sources as one HTML page, which needs no network and asks for nothing.

    ``on`` names the device whose seconds are shown: one of the catalogue such as ``"h100"``, or ``"this"`` machine; None:
    this machine if it is calibrated, otherwise none. ``sources``, ``inputs`` and ``settings`` are those of :func:`count`.

    Raise OptionError without a source or where the file cannot be written, and whatever :func:`count` raises.
    """
    from nncost.output_files import write_output
    from nncost.views.notebook import followed
    from nncost.views.report_page.gather import gather
    from nncost.views.report_page.page import check_name, report_page

    check_name(path)
    with followed(None, "counting") as progress:
        networks = gather([_source(source) for source in sources], settings_of(inputs, **settings), on, progress)
    write_output(path, report_page(networks).encode())


_NOT_PREDICTED = {
    "convention": "A convention says what a flop is; seconds do not depend on it.",
    "taps": "Libraries compute the products with padding, too.",
}
_NOT_MEASURED = {
    **_NOT_PREDICTED,
    **dict.fromkeys(
        ("examples", "epochs", "accumulate"), "Single steps on one batch are measured; nncost predict adds up a run."
    ),
    "allocator": "Bytes are those that PyTorch's allocator gave out.",
}
"""Settings of a count that seconds, and measured steps, do not depend on."""


def predict(
    source: Any,
    inputs: Any = None,
    *,
    on: str = "this",
    budget: float | str | None = None,
    compiled: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Unpack[CountSettings],
) -> Prediction:
    """Return the seconds of forward, backward, update, step and run, with an interval, by layer and by cause.

    ``on`` is ``"this"`` machine, which must be calibrated, or a device of the catalogue such as ``"h100"``; there a step may be
    ``compiled``: launched as one graph, its elementwise operations fused. On this machine,
    steps run for real for up to ``budget`` seconds (5; ``"500ms"``, ``"1min"``; 0 for none): whole ones, or with some of the
    network's equal blocks, and the prediction's ``label`` and ``how`` say which.
    A spec is predicted with its default loss and optimizer, a file or a module forward alone until a loss is
    named; ``source``, ``inputs`` and ``settings`` are those of :func:`count`. ``progress(what, done, of)`` is called while
    operators are timed; without one, a notebook shows a bar.

    Raise OptionError if the device is unknown or this machine is not calibrated, and whatever :func:`count` raises.
    """
    chosen = settings_of(inputs, **settings)
    refuse(chosen, _NOT_PREDICTED, "a prediction")
    from nncost.pipeline.duration import duration
    from nncost.timing.predict import THIS
    from nncost.timing.predict_source import predict_source
    from nncost.views.notebook import followed

    seconds = None if budget is None else duration("budget", budget)
    with followed(progress, "timing operators") if on == THIS else nullcontext(progress) as shown:
        compiled = truth("compiled", compiled)
        return predict_source(_source(source), chosen, on, shown, seconds, compiled=compiled)


def plot(
    source: Any,
    kind: str | None = None,
    *,
    inputs: Any = None,
    quantity: str | Sequence[str] | None = None,
    on: str | None = None,
    over: str | None = None,
    by: str | None = None,
    depth: int | None = None,
    top: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Unpack[CountSettings],
) -> Chart:
    """Return a chart of a source, or of several in a list: ``chart.save("x.svg")``, ``.png``, ``.html`` or ``.json``.

    ``kind`` is ``"layers"`` (None, of one source), ``"tree"``, ``"memory"``, ``"roofline"``, ``"growth"``, ``"time"``,
    ``"compare"`` (None, of several), or ``"network"``, the drawing.

    - ``quantity`` of layers, tree and growth: ``"flops"``, ``"parameters"``, ``"forward.mul"`` …; of growth also several
    - ``on``: the device of roofline, and of time, which is this machine without it
    - ``over``: the sizes of the symbol that grows, ``"h=16..4096"``
    - ``by``: what time is shown by: ``"layer"``, ``"phase"`` or ``"op"``
    - ``depth``: levels of the tree; ``top``: so many bars of layers and time, or points in the text of roofline

    ``source``, ``inputs`` and ``settings`` are those of :func:`count`; ``progress(what, done, of)`` is called while
    operators are timed. In a notebook the chart displays itself.

    Raise OptionError for another kind or a setting that it does not take, and whatever :func:`count` raises.
    """
    from nncost.views.charts import KINDS, chart_of, check_settings, kind_named

    check_keywords(settings)
    sources = list(source) if isinstance(source, (list, tuple)) else [source]
    name = kind_named(kind if kind is not None else "layers" if len(sources) == 1 else "compare")
    own = {"quantity": quantity, "on": on, "over": over, "by": by, "depth": depth, "top": top}
    given = {key: value for key, value in own.items() if value is not None}
    given |= {key: whole(key, given[key]) for key in ("depth", "top") if key in given}
    check_settings(name, given, len(sources))
    if KINDS[name].subject == "prediction":
        device = str(given.pop("on", "this"))
        return chart_of(name, predict(sources[0], inputs=inputs, on=device, progress=progress, **settings), **given)
    read, chosen = [_source(each) for each in sources], settings_of(inputs, **settings)
    reports = [report_on(each, own) for each, own in zip(read, shared(read, chosen), strict=True)]
    return chart_of(name, reports if KINDS[name].subject == "reports" else reports[0], **given)


def measure(
    source: Any,
    inputs: Any = None,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Unpack[CountSettings],
) -> Measurement:
    """Run real steps on a copy of the source in PyTorch: predicted, measured and their ratio, for seconds and bytes.

    ``source``, ``inputs`` and ``settings`` are those of :func:`count`; specs and ONNX files are built as modules.
    ``progress(what, done, of)`` is called on the way; without one, a notebook shows a bar.

    Raise SourceError for what cannot run, MissingExtraError without PyTorch, and whatever :func:`count` raises.
    """
    from nncost.timing.measure.measure import measure as measured

    chosen = settings_of(inputs, **settings)
    refuse(chosen, _NOT_MEASURED, "a measurement")
    from nncost.views.notebook import followed

    with followed(progress, "measuring") as shown:
        return measured(_source(source), chosen, shown)


def calibrate(*, fresh: bool = False, progress: Callable[[str, int, int], None] | None = None) -> Profile:
    """Measure this machine once (at most 5 minutes), so that :func:`predict` knows it; its profile is kept.

    It goes on where an earlier calibration was stopped, unless ``fresh``. ``progress(what, done, of)`` is called on the way;
    without one, a notebook shows a bar.
    Rates are in flops and bytes per second, overheads in seconds. The constants of a CUDA device that the catalogue knows are
    fitted to products that are timed on it, and kept as a device file.

    Raise MissingExtraError without PyTorch, OptionError where the profile cannot be written.
    """
    from nncost.timing.calibration.calibrate import calibrate as calibrated
    from nncost.views.notebook import followed

    with followed(progress, "calibrating") as shown:
        profile, _ = calibrated(shown, fresh=fresh)
        from nncost.timing.calibration.accelerators import calibrate_accelerators

        calibrate_accelerators(shown)
    return profile


def train(
    source: str | PathLike[str],
    data: Any,
    *,
    target: str | None = None,
    task: str | None = None,
    ignore: str | Sequence[str] | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    loss: str | None = None,
    seed: int | None = None,
    test_share: float | None = None,
    validation_share: float | None = None,
    patience: int | None = None,
    engine: str = "auto",
    save: str | PathLike[str] | None = None,
    resume: str | PathLike[str] | None = None,
    symbols: Mapping[str, int] | None = None,
    freeze: str | Sequence[str] = (),
    bias: str = "all",
    activation: str = "sigmoid",
    dtype: str | None = None,
) -> Training:
    """Train a network on a table; predict what that costs, and measure it.

    ``source`` is a spec, ``data`` a CSV, Parquet or NPZ file, or a pair of arrays: examples, one per row, and targets.

    - ``target``: the column to be learned; ``ignore``: columns that are no inputs
    - ``task``: ``"classification"`` or ``"regression"``; ``loss``: a name; both are recognised unless named
    - ``epochs`` (10), ``batch`` (32), ``optimizer`` (``"adam"``), ``learning_rate`` (that of the optimizer), ``seed`` (0)
    - ``test_share``, ``validation_share``: shares of the rows, a fifth, and a tenth with ``patience``
    - ``patience``: so many epochs without a lower validation loss end the training
    - ``engine``: ``"torch"``, ``"numpy"``, or ``"auto"``, PyTorch where it is installed
    - ``save``: a folder for weights, network, results and checkpoints; ``resume``: one to go on with
    - ``symbols``, ``freeze``, ``bias``, ``activation``, ``dtype``: those of :func:`count`

    None stands for the value in brackets or, where a training is resumed, for what it was started with.

    Return a Training: ``training.test_accuracy``, ``training.history``; ``print(training)`` shows what the command prints.
    Ctrl-C saves and raises KeyboardInterrupt. Raise an NncostError for anything that does not fit.
    """
    keywords = dict(locals())
    from nncost.views.notebook import in_notebook, training_bar

    if in_notebook():
        with training_bar() as on_step:
            training = train_until_interrupted(**keywords, on_step=on_step)
    else:
        training = train_until_interrupted(**keywords)
    if training.interrupted:
        raise KeyboardInterrupt(f"saved in {training.files[0]}")
    return training


def train_until_interrupted(
    source: Any,
    data: Any,
    *,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_start: Callable[[PreparedTraining], None] = lambda prepared: None,
    **keywords: Any,
) -> Training:
    """Train under the keywords of :func:`train`; if it is interrupted, the result says so.

    ``on_start`` is called with what was decided, ``on_step`` after each step.
    """
    from nncost.trainer.run import train_source

    given = {name: value for name, value in keywords.items() if value is not None}
    settings = settings_of(**{name: given.pop(name) for name in _NETWORK_KEYWORDS if name in given})
    folders = {name: fspath(given.pop(name)) for name in ("save", "resume") if name in given}
    return train_source(_source(source), _source(data), settings, given, **folders, on_step=on_step, on_start=on_start)


_NETWORK_KEYWORDS = ("symbols", "freeze", "bias", "activation", "dtype")
"""The keywords of :func:`train` that say which network is trained; they are those of :func:`count`."""


def _source(source: object) -> Any:
    """A spec, a path, a graph or a framework's model; the registry refuses anything else by name."""
    return str(fspath(source)) if isinstance(source, PathLike) else source
