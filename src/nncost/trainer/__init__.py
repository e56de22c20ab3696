"""Training a network from a spec on a table of numbers, with what it costs said before and measured after."""
