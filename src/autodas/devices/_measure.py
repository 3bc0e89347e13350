"""Measurements of networks on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import median
from typing import NamedTuple

from autodas.costs import NetworkSetting
from autodas.devices._clock import clock_for
from autodas.devices._interval import median_interval
from autodas.devices._random_network import facts_of
from autodas.devices._runtimes import forward_of, network_for, prepared
from autodas.devices._turns import Key, Turn, rounds, take_turn, times
from autodas.genotype import Genotype
from autodas.measure_options import MeasureSettings
from autodas.training.model_file import ModelFacts


class Measurement(NamedTuple):
    """Time of one forward pass of a network.

    Args:
        milliseconds: median over turns of the median within a turn, at the usual speed of the machine.
        low: lower end of its interval (see :func:`~autodas.devices._interval.median_interval`).
        high: upper end.
        passes: number of timed passes.
    """

    milliseconds: float
    low: float
    high: float
    passes: int


def results_of(turns: Mapping[Key, Sequence[Turn]]) -> dict[Key, Measurement]:
    """Return the results of networks that have taken turns; others are left out.

    Args:
        turns: turns of each network.
    """
    return {
        key: Measurement(median(own), *median_interval(own), sum(turn.passes for turn in turns[key]))
        for key, own in times(turns).items()
        if own
    }


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
        return measure_passes(passes, settings, seconds=seconds)


def measure_passes(
    passes: Sequence[Callable[[], object]], settings: MeasureSettings, *, seconds: float
) -> list[Measurement]:
    """Measure functions, each of which passes once through a network, in turns.

    Args:
        passes: the functions.
        settings: how they are measured, for the choice of the clock.
        seconds: most time for each.
    """
    clock = clock_for(settings).read
    turns: dict[int, list[Turn]] = {index: [] for index in range(len(passes))}
    taken = rounds(
        turns,
        list(turns),
        lambda index, number: take_turn(passes[index], number, clock),
        seconds=seconds,
        generator=Random(0),
    )
    for _ in taken:
        pass
    return list(results_of(turns).values())
