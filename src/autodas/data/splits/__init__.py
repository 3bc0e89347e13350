"""Samples of a split, their assignment to parts, and sampling of clips."""
