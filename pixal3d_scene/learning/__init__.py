"""Composed rooms with ground truth (and, later, the training of the networks)."""
