"""Memory: what is there before a step, what the step allocates and when, and its peaks."""
