"""A report as one page that can be mailed: everything that is known of some networks, for a browser without a network."""
