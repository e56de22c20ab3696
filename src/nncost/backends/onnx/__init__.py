"""Networks as files for other programs: ONNX models and safetensors."""

from nncost.backends.onnx.model import onnx_bytes as onnx_bytes
from nncost.backends.safetensors import names_of as names_of
from nncost.backends.safetensors import read_safetensors as read_safetensors
from nncost.backends.safetensors import safetensors_bytes as safetensors_bytes
