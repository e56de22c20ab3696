"""Measure this machine once: rates, bandwidths and overheads that predictions rest on."""
