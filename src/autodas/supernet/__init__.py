"""The relaxed network that contains all candidates, behind a single interface: ``supernet(x, mixture)``."""

from autodas.supernet._cell import Engine, SupernetCell
from autodas.supernet._mixture import (
    CellMixture,
    Mixture,
    Noise,
    genotype_mixture,
    mixture_of,
)
from autodas.supernet._modules import every_module, every_parameter
from autodas.supernet._reference import ReferenceEngine
from autodas.supernet._statistics import frozen_statistics, norms_of, reestimate_statistics
from autodas.supernet._supernet import ENGINES, Supernet, get_engine

__all__ = [
    "ENGINES",
    "CellMixture",
    "Engine",
    "Mixture",
    "Noise",
    "ReferenceEngine",
    "Supernet",
    "SupernetCell",
    "every_module",
    "every_parameter",
    "frozen_statistics",
    "genotype_mixture",
    "get_engine",
    "mixture_of",
    "norms_of",
    "reestimate_statistics",
]
