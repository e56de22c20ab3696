"""One real step as a trace: the operators that ran, with layer and phase."""
