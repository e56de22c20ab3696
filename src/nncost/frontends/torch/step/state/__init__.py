"""Everything a step may change, put back as it was: the objects that a module, its inputs, loss and optimizer reach."""
