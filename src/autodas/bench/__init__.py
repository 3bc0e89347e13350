"""Benchmarks of searches: time and memory of iterations and whole searches, for engines and methods."""
