"""Augmentation of training batches, as a function of (seed, epoch, index)."""
