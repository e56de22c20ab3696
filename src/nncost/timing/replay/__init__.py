"""The time of a step from its operators: each distinct one runs once, as cold as it is in the step."""
