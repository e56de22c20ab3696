"""What people reported of other tools, and what is right."""
