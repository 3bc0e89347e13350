"""Batches: shuffled, decoded by worker processes, on the device."""
