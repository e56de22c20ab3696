"""Reads ONNX files; the package ``onnx`` is imported here alone, and only when a file is read."""
