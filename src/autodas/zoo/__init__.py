"""Published architectures, one JSON file each, and the common entry point of every command that needs one.

>>> from autodas.zoo import load_zoo
>>> load_zoo("darts-v2").cells["normal"].nodes[0]
(Edge(operation='sep_conv_3x3', predecessor=0), Edge(operation='sep_conv_3x3', predecessor=1))
"""

from __future__ import annotations

from autodas.zoo._entries import ZooEntry, load_zoo, zoo_entry, zoo_names
from autodas.zoo._reference import load_genotype

__all__ = ["ZooEntry", "load_genotype", "load_zoo", "zoo_entry", "zoo_names"]
