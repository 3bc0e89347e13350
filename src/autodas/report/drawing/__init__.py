"""Drawings of cells, stage graphs and networks: DOT, SVG, PNG, GIF."""
