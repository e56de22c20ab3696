"""Counts: quantities, rules, ledger, traffic, conventions."""
