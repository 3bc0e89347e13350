"""Settings of all search methods, side by side, and the table of methods. No torch.

The command line reads, checks and explains settings without torch. The methods themselves are given as a
path, ``module:Class``, and imported when one runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from autodas.errors import AutodasError
from autodas.user_code import PREFIX

FINALISTS = 5
"""Maximum number of architectures that are measured for one limit of a budget."""


@dataclass(frozen=True)
class StrategySettings:
    """Base class of the settings of all search methods."""


@dataclass(frozen=True, kw_only=True)
class AdamSettings(StrategySettings):
    """Settings of methods whose architecture parameters are trained by Adam.

    Args:
        learning_rate: learning rate of the architecture parameters (Adam).
        betas: Adam's two decay rates.
        weight_decay: weight decay of the architecture parameters.
        initial_std: standard deviation of the architecture parameters at the start.
    """

    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    initial_std: float = 1e-3

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, 0 < self.learning_rate < inf, "above 0")
        valid = len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas)
        _check("betas", self.betas, valid, "2 numbers in [0, 1)")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < inf, "at least 0")
        _check("initial_std", self.initial_std, 0 <= self.initial_std < inf, "at least 0")


@dataclass(frozen=True, kw_only=True)
class RegularisedSettings(AdamSettings):
    """Settings of methods whose architecture can be regularised while it is relaxed.

    Args:
        beta_decay: weight, at the end of the search, of the logarithm of the sum of exp(alpha) in the loss of
            the architecture; it rises from 0 (beta-DARTS: 50).
        smoothing: radius, at the end of the search, of noise on the mixture by which the weights are trained
            (SDARTS: 0.3).
        auxiliary_skip: weight, at the start, of a skip beside every undecided edge, which falls to 0
            (DARTS-: 1).
    """

    beta_decay: float = 0.0
    smoothing: float = 0.0
    auxiliary_skip: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("beta_decay", self.beta_decay, 0 <= self.beta_decay < inf, "at least 0")
        _check_share("smoothing", self.smoothing)
        _check("auxiliary_skip", self.auxiliary_skip, 0 <= self.auxiliary_skip < inf, "at least 0")


@dataclass(frozen=True)
class DASSettings(RegularisedSettings):
    """Differentiable architecture search: all candidates, from the first iteration to the last.

    Args:
        order: 1 uses the current weights in the architecture step, 2 differentiates through their next step
            (das2).
        unrolled: how the second order is computed: finite (finite differences, with either engine) or exact
            (by autograd, with the reference engine).
        weights_only: share of the search, at its start, that trains the weights only.
    """

    order: int = 1
    unrolled: str = "finite"
    weights_only: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("order", self.order, self.order in (1, 2), "1 or 2")
        _check("unrolled", f"'{self.unrolled}'", self.unrolled in ("finite", "exact"), "'finite' or 'exact'")
        _check_share("weights_only", self.weights_only)


@dataclass(frozen=True)
class SDASSettings(RegularisedSettings):
    """Stepwise discretisation: one edge or one node is decided at a time, throughout the search.

    Args:
        schedule: times of the decisions: a, b, c, a power such as power:2 or inverse-power:2, or a function
            of your own as python:package.module:function.
        keep_beta: keep the weights of a decided node's edges instead of a plain sum.
        warmup: share of the search, at its start, without decisions; the schedule begins after it.
        settle: share of the search, at its end, after the last decision, that trains the weights.
        weights_only: share of the search, at its start, that trains the weights only; nothing is decided.
        stability: multiply the priority of an edge by the stability of its weights in time (SGAS).
        select: what a decision keeps: weight, the operation or the edges with the largest weight; or drop,
            those without which the loss on the validation half is largest (DARTS-PT).
    """

    schedule: str = "a"
    keep_beta: bool = False
    warmup: float = 0.0
    settle: float = 0.0
    weights_only: float = 0.0
    stability: bool = False
    select: str = "weight"
    initial_std: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_schedule(self.schedule)
        _check_word("select", self.select, "weight", "drop")
        for name in ("warmup", "settle", "weights_only"):
            _check_share(name, getattr(self, name))
        before = max(self.warmup, self.weights_only)
        _check("settle", self.settle, before + self.settle < 1, f"below {1 - before:g}: the rest is before")


@dataclass(frozen=True)
class PCDARTSSettings(RegularisedSettings):
    """PC-DARTS: a part of the channels is searched, and edges are normalised at each node.

    Args:
        weights_only: share of the search, at its start, that trains the weights only.
    """

    learning_rate: float = 6e-4
    weights_only: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("weights_only", self.weights_only)


@dataclass(frozen=True)
class PDARTSSettings(RegularisedSettings):
    """P-DARTS: three stages, each with a deeper supernet and fewer candidates.

    Args:
        operations: number of operations of each edge in the second and in the third stage.
        weights_only: share of each stage, at its start, that trains the weights only.
        skip_dropout: initial rate of dropout after skips in each stage.
        skip_limit: maximum number of skips in cells that do not reduce.
    """

    learning_rate: float = 6e-4
    operations: tuple[int, int] = (5, 3)
    weights_only: float = 0.4
    skip_dropout: tuple[float, float, float] = (0.0, 0.4, 0.7)
    skip_limit: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = self.operations
        falling = len(counts) == 2 and counts[0] >= counts[1] >= 3
        _check("operations", counts, falling, "2 numbers of at least 3 that do not rise")
        _check_share("weights_only", self.weights_only)
        rates = len(self.skip_dropout) == 3 and all(0 <= rate < 1 for rate in self.skip_dropout)
        _check("skip_dropout", self.skip_dropout, rates, "3 numbers in [0, 1)")
        _check("skip_limit", self.skip_limit, self.skip_limit >= 0, "at least 0")


@dataclass(frozen=True)
class SNASSettings(AdamSettings):
    """SNAS: a new sample of the architecture in every iteration, trained together with the weights.

    Args:
        initial_mean: mean of the architecture parameters at the start.
        temperature: initial temperature of the samples.
        final_temperature: final temperature.
        annealing: decrease of the temperature by epoch: linear or exponential.
        resource: strength of the resource term: none, mild, moderate, aggressive, or a number.
        resource_form: form of the resource term: log, the logarithms of parameters, multiply-adds and memory
            access; or linear, a weighted sum of them.
        drop_path: probability with which a sample drops a whole edge.
        bilevel: train the architecture on separate validation batches.
        weights_only: share of the search, at its start, that trains the weights only.
    """

    initial_mean: float = 1.0
    initial_std: float = 0.01
    temperature: float = 1.0
    final_temperature: float = 0.03
    annealing: str = "linear"
    resource: float | str = "moderate"
    resource_form: str = "log"
    drop_path: float = 0.3
    bilevel: bool = False
    weights_only: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("weights_only", self.weights_only)
        _check("initial_mean", self.initial_mean, -inf < self.initial_mean < inf, "a number")
        _check("temperature", self.temperature, 0 < self.temperature < inf, "above 0")
        cooler = 0 < self.final_temperature <= self.temperature
        _check("final_temperature", self.final_temperature, cooler, "above 0 and at most temperature")
        _check_word("annealing", self.annealing, "linear", "exponential")
        _check_word("resource_form", self.resource_form, "log", "linear")
        words = ("none", "mild", "moderate", "aggressive")
        valid = self.resource in words if isinstance(self.resource, str) else 0 <= self.resource < inf
        _check("resource", f"'{self.resource}'", valid, f"{', '.join(words)} or a number of at least 0")
        _check("drop_path", self.drop_path, 0 <= self.drop_path < 1, "in [0, 1)")


@dataclass(frozen=True)
class EDASSettings(AdamSettings):
    """EDAS: one edge is relaxed at a time, all others are clamped to their derived operation.

    Args:
        edges_per_kind: number of relaxed edges in cells of each kind; 0 for one edge in one kind.
        random_share: share of the search, at its start, that trains the weights of random architectures.
        epsilon: probability that a clamped edge has a random operation.
        entropy: initial reward for the entropy of relaxed edges; it falls to 0.
        skip_limit: maximum number of skips in cells that do not reduce.
    """

    learning_rate: float = 0.01
    edges_per_kind: int = 0
    random_share: float = 0.0
    epsilon: float = 0.0
    entropy: float = 0.0
    skip_limit: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("edges_per_kind", self.edges_per_kind, self.edges_per_kind >= 0, "at least 0")
        _check_share("random_share", self.random_share)
        _check("epsilon", self.epsilon, 0 <= self.epsilon <= 1, "in [0, 1]")
        _check("entropy", self.entropy, 0 <= self.entropy < inf, "at least 0")
        _check("skip_limit", self.skip_limit, self.skip_limit is None or self.skip_limit >= 0, "at least 0")


@dataclass(frozen=True)
class RandomSettings(StrategySettings):
    """Random search: the best of some architectures chosen uniformly.

    Args:
        candidates: number of distinct architectures to choose and train; 1 is a random cell.
    """

    candidates: int = 8

    def __post_init__(self) -> None:
        _check("candidates", self.candidates, self.candidates >= 1, "at least 1")


@dataclass(frozen=True)
class HDASSettings(AdamSettings):
    """H-DAS: cells for each stage, and the wiring of each stage's cells.

    Args:
        level: what to search: cells, stages (the wiring of given cells), or both in sequence.
        genotype: at level stages, the cells to wire: a genotype file, a run folder or a name from the zoo.
        cells_a_stage: number of cells that a stage graph wires.
        depth_weight: weight of the loss that makes stage graphs deep; 0 for none.
        lengths: numbers of cells of a stage to search among, such as [4,5,6,7,8], instead of cells_a_stage.
        length_weight: weight of the loss that keeps stages short, if their lengths are searched.
    """

    level: str = "both"
    genotype: str | None = None
    cells_a_stage: int = 6
    depth_weight: float = 30.0
    lengths: tuple[int, ...] = ()
    length_weight: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("cells", "stages", "both")
        _check("level", f"'{self.level}'", self.level in known, "cells, stages or both")
        if (self.level == "stages") != (self.genotype is not None):
            raise AutodasError(
                f"level '{self.level}' with genotype {self.genotype}: the cells to wire are required at "
                "level stages, and only allowed there"
            )
        _check("cells_a_stage", self.cells_a_stage, self.cells_a_stage >= 2, "at least 2")
        _check("depth_weight", self.depth_weight, 0 <= self.depth_weight < inf, "at least 0")
        _check("length_weight", self.length_weight, 0 <= self.length_weight < inf, "at least 0")
        ascending = list(self.lengths) == sorted(set(self.lengths)) and min(self.lengths, default=2) >= 2
        _check("lengths", list(self.lengths), ascending, "ascending numbers of at least 2")


@dataclass(frozen=True)
class FinalistsSettings:
    """Finals after a search: its cell and others are trained for a short time, and the best is the result.

    Args:
        searches: number of searches with different seeds, whose cells are finalists; 0 for no finals.
        neighbours: number of finalists for each of these cells that differ from it in one operation.
        random: number of finalists that are chosen at random.
        epochs: number of epochs for which each finalist is trained.
    """

    searches: int = 0
    neighbours: int = 1
    random: int = 2
    epochs: int = 10

    def __post_init__(self) -> None:
        for name in ("searches", "neighbours", "random"):
            _check(f"finalists.{name}", getattr(self, name), getattr(self, name) >= 0, "at least 0")
        _check("finalists.epochs", self.epochs, self.epochs >= 1, "at least 1")


@dataclass(frozen=True)
class StrategyInfo:
    """Registry entry of a search method.

    Args:
        settings: class of its settings.
        implementation: path of its class, as ``module:Class``.
        description: description in one line.
        native_cell: name of its paper's cell space.
        native_kinds: whether its paper gives each stage of the network its own cells.
    """

    settings: type[StrategySettings]
    implementation: str
    description: str
    native_cell: str = "darts"
    native_kinds: bool = False


STRATEGIES: dict[str, StrategyInfo] = {
    "das": StrategyInfo(
        DASSettings,
        "autodas.strategies.das:DAS",
        "differentiable search, decided once at the end (DARTS)",
    ),
    "sdas": StrategyInfo(
        SDASSettings, "autodas.strategies.sdas:SDAS", "stepwise discretisation, decided edge by edge", "o2d"
    ),
    "pcdarts": StrategyInfo(
        PCDARTSSettings,
        "autodas.strategies.pcdarts:PCDARTS",
        "differentiable search on a part of the channels (PC-DARTS)",
    ),
    "pdarts": StrategyInfo(
        PDARTSSettings,
        "autodas.strategies.pdarts:PDARTS",
        "three stages, deeper and with fewer candidates (P-DARTS)",
    ),
    "snas": StrategyInfo(
        SNASSettings,
        "autodas.strategies.snas:SNAS",
        "architectures sampled in every iteration (SNAS)",
        "snas",
    ),
    "edas": StrategyInfo(
        EDASSettings, "autodas.strategies.edas:EDAS", "one edge relaxed at a time, the others clamped (EDAS)"
    ),
    "hdas": StrategyInfo(
        HDASSettings,
        "autodas.strategies.hdas:HDAS",
        "cells for each stage, then how stages wire them",
        native_kinds=True,
    ),
    "random": StrategyInfo(
        RandomSettings, "autodas.strategies.random:Random", "the best of some random architectures", "o2d"
    ),
}
"""Methods by canonical name. Adding an entry makes a method available in every command."""

ALIASES: dict[str, tuple[str, Mapping[str, Any]]] = {
    **{f"sdas-{schedule}": ("sdas", {"schedule": schedule}) for schedule in "abc"},
    "das2": ("das", {"order": 2}),
}
"""Short names, each with the canonical name and the settings that it stands for."""


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise AutodasError(f"{name} must be {expected}, found {value}")


def _check_share(name: str, value: float) -> None:
    _check(name, value, 0 <= value < 1, "in [0, 1)")


def _check_word(name: str, value: str, *words: str) -> None:
    _check(name, f"'{value}'", value in words, " or ".join(f"'{word}'" for word in words))


def _check_schedule(schedule: str) -> None:
    kind, colon, argument = schedule.removeprefix(PREFIX).partition(":")
    if kind in ("power", "inverse-power"):
        try:
            valid = 0 < float(argument) < inf
        except ValueError:
            valid = False
        _check("schedule", f"'{schedule}'", valid, f"'{kind}:P' with P above 0")
    elif colon:
        valid = re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", kind) is not None and argument.isidentifier()
        _check("schedule", f"'{schedule}'", valid, "a function as 'python:package.module:function'")
    else:
        known = "a, b, c, 'power:P', 'inverse-power:P' or 'python:package.module:function'"
        _check("schedule", f"'{schedule}'", schedule in ("a", "b", "c"), known)
