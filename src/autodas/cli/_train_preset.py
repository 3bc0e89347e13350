"""Presets of trainings, for commands that need the network of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autodas.cli.config._configuration import read_preset_configuration

if TYPE_CHECKING:
    from autodas.cli.train import TrainConfig


def train_preset(name: str) -> TrainConfig:
    """Return the configuration of a preset of ``autodas train``.

    Raises:
        AutodasError: if there is no such preset.
    """
    from autodas.cli.train import TrainConfig

    required = ["genotype", "--data="]  # of which presets may say nothing
    return read_preset_configuration(TrainConfig, "train", name, required)
