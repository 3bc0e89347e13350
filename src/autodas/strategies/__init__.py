"""Search methods. Importing this package does not import torch; :func:`load_strategy` imports a method."""

from __future__ import annotations

from autodas.strategies.registry import (
    StrategyChoice,
    choose_strategy,
    load_strategy,
    resolve_strategy,
    strategy_info,
    strategy_names,
)
from autodas.strategies.settings import (
    STRATEGIES,
    AdamSettings,
    DASSettings,
    EDASSettings,
    FinalistsSettings,
    HDASSettings,
    PCDARTSSettings,
    PDARTSSettings,
    RandomSettings,
    SDASSettings,
    SNASSettings,
    StrategyInfo,
    StrategySettings,
)

__all__ = [
    "STRATEGIES",
    "AdamSettings",
    "DASSettings",
    "EDASSettings",
    "FinalistsSettings",
    "HDASSettings",
    "PCDARTSSettings",
    "PDARTSSettings",
    "RandomSettings",
    "SDASSettings",
    "SNASSettings",
    "StrategyChoice",
    "StrategyInfo",
    "StrategySettings",
    "choose_strategy",
    "load_strategy",
    "resolve_strategy",
    "strategy_info",
    "strategy_names",
]
