"""Networks as files for other programs: ONNX models and safetensors."""
