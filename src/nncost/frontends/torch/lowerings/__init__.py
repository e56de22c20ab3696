"""One decorated function per PyTorch operator, one file per family."""
