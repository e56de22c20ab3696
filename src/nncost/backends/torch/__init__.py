"""Specs and ONNX files as PyTorch modules, as their user would have written them."""

from nncost.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401 - told here, once, rather than by the first module that needs it
except ImportError:
    raise MissingExtraError("running a network", "torch", "torch") from None

from nncost.backends.torch.build import Built as Built
from nncost.backends.torch.build import example_inputs as example_inputs
from nncost.backends.torch.build import module_of as module_of
from nncost.backends.torch.losses import loss_function as loss_function
