"""Trained networks in the form of other programs."""
