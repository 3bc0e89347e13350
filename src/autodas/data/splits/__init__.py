"""The samples of a split, which of them belong to which part, and how clips are taken."""
