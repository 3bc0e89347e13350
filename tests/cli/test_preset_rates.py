"""Learning rates of the architecture in the presets for short searches."""

from __future__ import annotations

import pytest

from autodas.cli.config._configuration import parse
from autodas.cli.search import SearchConfig


@pytest.mark.parametrize(("preset", "iterations"), [("quickstart", 120), ("video-quickstart", 150)])
def test_quick_presets_move_the_architecture_far_enough(preset: str, iterations: int) -> None:
    """Rate times steps reaches 3 for every method, in the iterations of the demos."""
    for name in ("das", "sdas", "pcdarts", "pdarts", "snas", "edas"):
        config = parse(
            "search", SearchConfig, [f"--preset={preset}", f"--strategy={name}", "--data=d"], presets="search"
        )
        settings = config.strategy.settings
        steps = iterations * (1 - getattr(settings, "weights_only", 0.0))
        if name == "pdarts":
            steps /= 3
        if name == "edas":
            steps *= settings.edges_per_kind / 14  # edges of a cell, one in turn
        assert settings.learning_rate * steps >= 3, name
