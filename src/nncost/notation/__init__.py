"""How formulas and numbers are written for people: one notation in text, and the same in LaTeX."""
