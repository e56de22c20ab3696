"""Specs and ONNX files as PyTorch modules, as their user would have written them."""

from nncost.running.modules.built import Built as Built
from nncost.running.modules.built import example_inputs as example_inputs
from nncost.running.modules.built import module_of as module_of
from nncost.running.modules.losses import loss_function as loss_function
