"""Training of a network from scratch, and files of trained networks."""
