"""Training a network from scratch, and the files that hand it over."""
