"""Real execution: calibrate, replay, measure, train. The only place besides front ends that imports a framework."""
