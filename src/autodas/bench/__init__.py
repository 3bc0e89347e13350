"""Benchmarks of searches: steps, memory, whole searches, engines against each other."""
