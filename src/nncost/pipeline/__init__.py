"""From a source to a report."""
