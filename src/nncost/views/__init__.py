"""The report in each output form."""
