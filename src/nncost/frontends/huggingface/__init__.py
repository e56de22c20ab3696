"""Hugging Face configurations: the network that a ``config.json`` describes, without its weights."""
