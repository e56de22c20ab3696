"""Observe a module as other tools see it: its layers' calls, the functions it calls, the operators that run.

The tools that conventions reproduce hang hooks on layers and replace functions of PyTorch by ones
that count, and what they see depends on it: ``x.matmul(y)`` is seen but ``x @ y`` is not. So the
observer does the same, for one step on fake tensors, for its own thread only, and puts everything back
however the step ends.
"""

from __future__ import annotations

from torch import nn

from nncost.errors import OptionError, SourceError
from nncost.frontends.model import LoadOptions, Training
from nncost.frontends.torch.inputs import check_names, has_values
from nncost.frontends.torch.observation.observer import Observer
from nncost.frontends.torch.step.run import StepSettings, run_step
from nncost.frontends.torch.step.signals import NEEDS_VALUES
from nncost.ir.call_log import CallLog, Instrumentation
from nncost.records import replace


def observe(module: nn.Module, options: LoadOptions, instrumentation: Instrumentation) -> CallLog:
    """Run the module once and note what a tool instrumented like that sees. Raise what the module raises."""
    given = options.given
    if given is None:
        raise SourceError(f"a {type(module).__name__} needs its inputs.", hint="For example: --input 1x3x224x224")
    check_names(given, module)
    steps = options.steps if instrumentation.backward else Training()
    options = replace(options, training=options.training and not instrumentation.evaluates, steps=steps)
    # With gradients, PyTorch fuses attention only if nothing is trained; without them the observer must ask.
    trains = any(parameter.requires_grad for parameter in module.parameters())
    settings = StepSettings(
        gradients=True, keep_gradients=True, fused_attention=not (instrumentation.composed and trains)
    )
    observer = Observer(module, instrumentation)
    try:
        step = run_step(module, given, options, observer, settings)
    except NEEDS_VALUES as error:
        if not has_values(given):
            raise OptionError(
                f"{type(module).__name__} asks for values of tensors while another tool watches it, and shapes have none.",
                hint="Give it tensors, in Python, or choose a convention that needs no tool:  --convention torch",
            ) from error
        observer = Observer(module, instrumentation)
        step = run_step(module, given, options, observer, replace(settings, real=True))
    events = observer.used_by(step.output) if instrumentation.composed else observer.events
    return CallLog(observer.layers, tuple(events))
