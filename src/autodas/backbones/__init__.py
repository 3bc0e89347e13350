"""Networks for other libraries: backbones with a map for each level."""

from autodas.backbones._backbone import Backbone, backbone
from autodas.backbones._levels import Level, chosen, levels_of
from autodas.backbones._source import Resolved, Source, is_trained, resolve

__all__ = [
    "Backbone",
    "Level",
    "Resolved",
    "Source",
    "backbone",
    "chosen",
    "is_trained",
    "levels_of",
    "resolve",
]
