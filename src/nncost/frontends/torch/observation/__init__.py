"""One real step as third-party counters see it: plain data, without PyTorch."""
