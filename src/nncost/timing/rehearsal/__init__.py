"""Steps that run for real before they are asked for: whole ones, or some of their equal blocks."""
