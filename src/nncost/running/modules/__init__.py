"""Specs and ONNX files as PyTorch modules, as their user would have written them."""

from nncost.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401 - told here, once, rather than by the first module that needs it
except ImportError:
    raise MissingExtraError("running a network", "torch", "torch") from None

from nncost.running.modules.built import Built as Built
from nncost.running.modules.built import example_inputs as example_inputs
from nncost.running.modules.built import module_of as module_of
from nncost.running.modules.losses import loss_function as loss_function
