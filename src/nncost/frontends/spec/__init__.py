"""Networks written as specs, such as ``784-16-16-10``."""
