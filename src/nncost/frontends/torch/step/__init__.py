"""One real step of a module on fake tensors."""
