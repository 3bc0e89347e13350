"""Kinds of data sets, one file each: from a name to undecoded samples with labels."""
