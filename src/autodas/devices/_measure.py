"""Measurements of networks on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import median
from typing import NamedTuple

from autodas.costs import NetworkSetting
from autodas.devices._interval import median_interval
from autodas.devices._random_network import facts_of
from autodas.devices._runtimes import forward_of, network_for, prepared
from autodas.devices._turns import Turn, rounds, take_turn
from autodas.genotype import Genotype
from autodas.measure_options import MeasureSettings
from autodas.training.model_file import ModelFacts


class Measurement(NamedTuple):
    """Time of one forward pass of a network.

    Args:
        milliseconds: median over turns of the median within a turn.
        low: lower end of its interval (see :func:`~autodas.devices._interval.median_interval`).
        high: upper end.
        passes: number of timed passes.
    """

    milliseconds: float
    low: float
    high: float
    passes: int

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Measurement:
        """Return the result of turns, at least one."""
        times = [turn.milliseconds for turn in turns]
        return cls(median(times), *median_interval(times), sum(turn.passes for turn in turns))


def measure_architectures(
    genotypes: Sequence[Genotype], setting: NetworkSetting, settings: MeasureSettings, *, seconds: float
) -> list[Measurement]:
    """Measure the networks of architectures on this machine, in turns.

    Args:
        genotypes: the architectures.
        setting: everything else about their networks.
        settings: how they are measured.
        seconds: most time for each network, without building it.

    Returns:
        One measurement for each architecture.

    Raises:
        AutodasError: if the device or the runtime is not available, or cannot compute a network.
    """
    return measure_networks(
        [facts_of(genotype, setting) for genotype in genotypes], settings, seconds=seconds
    )


def measure_networks(
    networks: Sequence[ModelFacts], settings: MeasureSettings, *, seconds: float
) -> list[Measurement]:
    """Measure networks of any kind, with random weights; as :func:`measure_architectures`.

    Args:
        networks: descriptions of the networks.
        settings: how they are measured.
        seconds: most time for each network, without building it.
    """
    with prepared(settings):
        passes = [forward_of(network_for(facts, settings), facts, settings) for facts in networks]
        turns: dict[int, list[Turn]] = {number: [] for number in range(len(passes))}
        taken = rounds(turns, lambda number: take_turn(passes[number]), seconds=seconds, generator=Random(0))
        for _ in taken:
            pass
    return [Measurement.of(own) for own in turns.values()]
