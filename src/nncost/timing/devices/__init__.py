"""Machines: what is known of them, and how long a network takes on them."""
