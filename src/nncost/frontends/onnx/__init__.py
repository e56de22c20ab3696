"""Reads ONNX files; the package ``onnx`` is imported only here, and only when a file is read."""
