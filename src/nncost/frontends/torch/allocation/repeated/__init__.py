"""Memory of equal blocks: followed at both ends of a row of them, and repeated in between."""
