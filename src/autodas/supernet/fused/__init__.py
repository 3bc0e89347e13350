"""The fused engine: all candidates that read a state, computed together."""
