"""Why a step takes as long as it does on this machine, and what helps."""
