"""Train a network from a spec on a table of numbers, with its cost predicted before and measured after."""
