"""What training varies in a batch, as a function of (seed, epoch, index)."""
