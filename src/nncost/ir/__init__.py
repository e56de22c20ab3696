"""The graph, and one interpretation a file."""
