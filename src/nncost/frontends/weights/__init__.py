"""Checkpoints: parameters and bytes of files that hold tensors without operations."""
