"""The calculator in a browser: its answers, its server and its page."""
