"""Seconds of a kernel by the shape of its work: tiles and waves of products, rows of everything else."""
