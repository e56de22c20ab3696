"""A device's constants from its user's own times of matrix products: ``nncost devices fit``."""
