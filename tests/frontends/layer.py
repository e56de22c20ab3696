"""One layer as several front ends read it: its text, its ONNX nodes, its module; their counts and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

import nncost
from nncost.counting.quantities import TRAFFIC
from nncost.dims import shape_text
from nncost.frontends import registry
from nncost.frontends.model import Inputs, LoadOptions, Model, TensorShape, Training
from nncost.ir.execute import execute
from nncost.ir.graph import PHASES, Graph
from tests.onnx.models import OPSET, make_model, saved

Arrays = Mapping[str, np.ndarray]
STEP = {"loss": "squared_error", "optimizer": "adam"}
"""A loss that reads every output, and an optimizer that reads every gradient."""


class Function(nn.Module):
    """A function of one tensor as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


@dataclass(frozen=True)
class Layer:
    """A layer in the forms that front ends read; None for a front end that does not have it.

    ``spec`` is the text behind the input's sizes; ``nodes`` read ``x`` and the constants that ``constants`` makes of the
    module's state. ``composites`` are the functions of ``ir.library`` it is about. Inputs are drawn between ``bounds``,
    or are whole numbers below ``rows``. The front end ``without`` the composite is left out.
    """

    name: str
    composites: tuple[str, ...]
    x: tuple[int, ...]
    spec: str | None = None
    nodes: Sequence[onnx.NodeProto] | None = None
    module: Callable[[], nn.Module] | None = None
    constants: Callable[[Arrays], Mapping[str, Any]] = lambda state: {}
    opset: int = OPSET
    bounds: tuple[float, float] = (-1.0, 1.0)
    rows: int | None = None
    without: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def front_ends(self) -> tuple[str, ...]:
        """The front ends that read it."""
        forms = {"spec": self.spec, "onnx": self.nodes, "torch": self.module}
        return tuple(name for name, form in forms.items() if form is not None and name != self.without)


class Read:
    """A layer with one random state, read by each of its front ends."""

    def __init__(self, layer: Layer, folder: Path) -> None:
        torch.manual_seed(3)
        self.layer, self.folder = layer, folder
        self.module = nn.Identity() if layer.module is None else layer.module()
        for name, buffer in self.module.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
        self.state = {
            name: value.detach().numpy()
            for name, value in self.module.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        self.constants = dict(layer.constants(self.state))
        rng = np.random.default_rng(4)
        whole = layer.rows is not None
        self.x = rng.integers(0, layer.rows, layer.x) if whole else rng.uniform(*layer.bounds, layer.x)
        self.module.train()

    def source(self, front_end: str) -> Any:
        """What the front end reads."""
        if front_end == "spec":
            return ", ".join([shape_text(self.layer.x[1:]).replace("×", "x").strip("()"), str(self.layer.spec)])
        if front_end == "torch":
            return self.module
        types = {} if self.layer.rows is None else {"x": onnx.TensorProto.INT64}
        assert self.layer.nodes is not None
        model = make_model(
            self.layer.nodes, {"x": self.layer.x}, constants=self.constants, opset=self.layer.opset, types=types
        )
        return saved(model, self.folder)

    def report(self, front_end: str, **settings: Any) -> nncost.Report:
        """The layer's report; the backward pass is nncost's own."""
        if front_end == "spec":
            settings["batch"] = self.layer.x[0]
        inputs = self._shape() if front_end == "torch" else None
        if settings.get("loss", "none") != "none":
            settings["backward"] = "derived"
        return nncost.count(self.source(front_end), inputs, **settings)

    def _shape(self) -> TensorShape:
        return TensorShape(self.layer.x, "float32" if self.layer.rows is None else "int64")

    def values(self, front_end: str) -> np.ndarray:
        """The output for the input and the state, in inference."""
        graph = self._model(front_end).graph
        (x,) = graph.inputs
        output = graph.outputs[0]
        return np.asarray(execute(graph, {x: self.x, **self._parameters(front_end, graph)})[output])

    def _model(self, front_end: str) -> Model:
        self.module.eval()
        given = Inputs((self._shape(),)) if front_end == "torch" else None
        steps = Training(loss="sum", backward="derived", mode="inference")
        batch = self.layer.x[0] if front_end == "spec" else None
        return registry.load(self.source(front_end), LoadOptions(batch=batch, given=given, steps=steps))

    def _parameters(self, front_end: str, graph: Graph) -> dict[Any, np.ndarray]:
        tensors = [parameter.tensor for parameter in graph.parameters]
        if front_end == "spec":
            return dict(zip(tensors, self.state.values(), strict=True))
        if front_end == "onnx":
            return {tensor: np.asarray(self.constants[tensor.name]) for tensor in tensors}
        names = [f"{p.path}.{p.tensor.name}".lstrip(".") for p in graph.parameters]
        return {tensor: self.state[name] for tensor, name in zip(tensors, names, strict=True)}


def counts(report: nncost.Report) -> dict[str, Any]:
    """Amounts by phase, but for the traffic, which depends on what a front end calls a kernel."""
    totals = {
        phase: {name: amount for name, amount in report.totals[phase].items() if name not in TRAFFIC and amount != 0}
        for phase in PHASES
    }
    return {"complete": report.complete, "neurons": report.neurons, "parameters": report.parameters.total, **totals}
