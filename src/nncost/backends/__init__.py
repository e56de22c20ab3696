"""Graphs as something that runs or travels: PyTorch modules, ONNX files, safetensors, initial values."""
