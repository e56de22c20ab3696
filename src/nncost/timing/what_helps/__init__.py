"""What makes a step faster here: each remedy tried on a copy of the network, in turns with the step as it is."""
