"""Training as graph → graph: loss, derived backward, optimizer update, and the whole run."""
