"""Differentiable architecture search for image and video recognition.

This module exports every public name. Names are imported on first use, so that importing autodas and
``autodas --help`` do not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autodas._version import __version__ as __version__

if TYPE_CHECKING:
    from autodas.backbones import Backbone as Backbone
    from autodas.backbones import backbone as backbone
    from autodas.costs import NetworkSetting as NetworkSetting
    from autodas.data import Augmentation as Augmentation
    from autodas.data import ImageDataset as ImageDataset
    from autodas.data import Loader as Loader
    from autodas.data import open_dataset as open_dataset
    from autodas.data_options import DataOptions as DataOptions
    from autodas.errors import AutodasError as AutodasError
    from autodas.errors import GenotypeError as GenotypeError
    from autodas.genotype import CellGenotype as CellGenotype
    from autodas.genotype import Edge as Edge
    from autodas.genotype import Genotype as Genotype
    from autodas.loop import Compute as Compute
    from autodas.loop import InputShape as InputShape
    from autodas.loop import Keeping as Keeping
    from autodas.loop.tasks import Classification as Classification
    from autodas.loop.tasks import Embedding as Embedding
    from autodas.loop.tasks import Multilabel as Multilabel
    from autodas.loop.tasks import Regression as Regression
    from autodas.networks import CellBlueprint as CellBlueprint
    from autodas.networks import HandcraftedBlueprint as HandcraftedBlueprint
    from autodas.networks import Network as Network
    from autodas.networks import build as build_network  # noqa: F401
    from autodas.networks import profile as profile
    from autodas.operations import register as register_operation  # noqa: F401
    from autodas.report import draw_cells as draw_cells
    from autodas.runs.folder import RunFolder as RunFolder
    from autodas.search import Search as Search
    from autodas.search import SearchResult as SearchResult
    from autodas.search import SearchSize as SearchSize
    from autodas.settings import EmbeddingSettings as EmbeddingSettings
    from autodas.settings import EvaluationPlan as EvaluationPlan
    from autodas.settings import OptimSettings as OptimSettings
    from autodas.settings import SupernetSettings as SupernetSettings
    from autodas.settings import TeacherSettings as TeacherSettings
    from autodas.spaces import Space as Space
    from autodas.spaces import get_skeleton as get_skeleton
    from autodas.spaces import get_space as get_space
    from autodas.strategies import FinalistsSettings as FinalistsSettings
    from autodas.strategies import choose_strategy as choose_strategy
    from autodas.strategies._network_budget import Limits as Limits
    from autodas.strategies._network_budget import network_budget as network_budget
    from autodas.strategies.base import Strategy as Strategy
    from autodas.strategies.settings import StrategySettings as StrategySettings
    from autodas.supernet import CellMixture as CellMixture
    from autodas.supernet import Supernet as Supernet
    from autodas.tables import Place as Place
    from autodas.tables import Table as Table
    from autodas.tables import open_table as open_table
    from autodas.training.fit import Regularisation as Regularisation
    from autodas.training.model_file import load_model as load_model
    from autodas.training.model_file import save_model as save_model
    from autodas.training.recipe import Training as Training
    from autodas.training.teacher import Distillation as Distillation
    from autodas.training.teacher import Teacher as Teacher
    from autodas.user_code import allow_code as allow_code
    from autodas.zoo import load_genotype as load_genotype
    from autodas.zoo import zoo_names as zoo_names

_PLACES = {
    "Augmentation": "autodas.data",
    "AutodasError": "autodas.errors",
    "Backbone": "autodas.backbones",
    "CellBlueprint": "autodas.networks",
    "CellGenotype": "autodas.genotype",
    "CellMixture": "autodas.supernet",
    "Classification": "autodas.loop.tasks",
    "Compute": "autodas.loop",
    "DataOptions": "autodas.data_options",
    "Edge": "autodas.genotype",
    "Distillation": "autodas.training.teacher",
    "Embedding": "autodas.loop.tasks",
    "EmbeddingSettings": "autodas.settings",
    "EvaluationPlan": "autodas.settings",
    "FinalistsSettings": "autodas.strategies",
    "Genotype": "autodas.genotype",
    "GenotypeError": "autodas.errors",
    "HandcraftedBlueprint": "autodas.networks",
    "ImageDataset": "autodas.data",
    "InputShape": "autodas.loop",
    "Keeping": "autodas.loop",
    "Limits": "autodas.strategies._network_budget",
    "Loader": "autodas.data",
    "Multilabel": "autodas.loop.tasks",
    "Network": "autodas.networks",
    "NetworkSetting": "autodas.costs",
    "OptimSettings": "autodas.settings",
    "Place": "autodas.tables",
    "Regression": "autodas.loop.tasks",
    "Regularisation": "autodas.training.fit",
    "RunFolder": "autodas.runs.folder",
    "Search": "autodas.search",
    "SearchResult": "autodas.search",
    "SearchSize": "autodas.search",
    "Space": "autodas.spaces",
    "Strategy": "autodas.strategies.base",
    "StrategySettings": "autodas.strategies.settings",
    "Supernet": "autodas.supernet",
    "SupernetSettings": "autodas.settings",
    "Table": "autodas.tables",
    "Teacher": "autodas.training.teacher",
    "TeacherSettings": "autodas.settings",
    "Training": "autodas.training.recipe",
    "allow_code": "autodas.user_code",
    "backbone": "autodas.backbones",
    "build_network": "autodas.networks:build",
    "choose_strategy": "autodas.strategies",
    "draw_cells": "autodas.report",
    "get_skeleton": "autodas.spaces",
    "get_space": "autodas.spaces",
    "load_genotype": "autodas.zoo",
    "load_model": "autodas.training.model_file",
    "network_budget": "autodas.strategies._network_budget",
    "open_dataset": "autodas.data",
    "open_table": "autodas.tables",
    "profile": "autodas.networks",
    "register_operation": "autodas.operations:register",
    "save_model": "autodas.training.model_file",
    "zoo_names": "autodas.zoo",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'autodas' has no attribute '{name}'")
    module, _, attribute = _PLACES[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
