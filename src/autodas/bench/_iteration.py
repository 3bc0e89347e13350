"""Timed unit of the benchmarks: one iteration of a search, by an engine or a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from autodas.bench._setting import BenchSetting
from autodas.data import Batch, Part
from autodas.errors import AutodasError
from autodas.loop import ALONE, Compute, Group, InputShape
from autodas.loop.tasks import Classification
from autodas.search._cost import supernet_multiply_adds
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet, get_engine
from autodas.user_code import import_function

Iteration = Callable[[], object]
"""Function that computes one iteration, an architecture step and a weight step, in each call."""

_ENDLESS = 10**6


def is_function(name: str) -> bool:
    """Return whether a name refers to a function of the user: ``python:package.module:function``."""
    return name.startswith("python:")


def check_engines(names: Sequence[str]) -> None:
    """Check that engines exist; modules of functions are imported.

    Raises:
        AutodasError: if an engine is unknown, a function cannot be imported, or a name appears twice.
    """
    for name in names:
        if is_function(name):
            _function(name)
        else:
            get_engine(name)
        if names.count(name) > 1:
            raise AutodasError(f"'{name}' appears twice; to compare it with itself run the command twice")


def make_iteration(engine: str, setting: BenchSetting, group: Group = ALONE) -> Iteration:
    """Return the iteration of DAS, in which everything stays relaxed.

    Args:
        engine: name of an engine, or ``python:package.module:function``. The function is called with the
            keyword arguments ``space``, ``K``, ``C1``, ``C2``, ``batch_size``, ``image_size``, ``channels``,
            ``classes``, ``device`` and ``precision``, for clips also ``frames`` if given (see
            :meth:`BenchSetting.keywords`), and returns an :data:`Iteration` on synthetic data.
        setting: setting of the benchmark.
        group: processes that compute an iteration together; a function of the user computes in one.

    Raises:
        AutodasError: if the engine or function is unknown, or the function fails.
    """
    if not is_function(engine):
        return searching("das", engine, setting, iterations=_ENDLESS, seed=0, group=group)
    try:
        iteration = _function(engine)(**setting.keywords())
    except Exception as error:  # the user's function can raise anything
        raise AutodasError(f"engine '{engine}': failed with {type(error).__name__}: {error}") from error
    if not callable(iteration):
        raise AutodasError(
            f"engine '{engine}': must return a function that computes one iteration, "
            f"not {type(iteration).__name__}"
        )
    return iteration  # type: ignore[no-any-return]


def searching(
    strategy: str,
    engine: str,
    setting: BenchSetting,
    *,
    iterations: int,
    seed: int,
    group: Group = ALONE,
) -> Iteration:
    """Return the iteration of a search whose decisions are forced to random outcomes.

    The architecture parameters are drawn at random and held fixed, so that all outcomes are equally likely.

    Args:
        strategy: name of a method.
        engine: name of an engine.
        setting: setting of the benchmark.
        iterations: number of iterations T, over which the method spreads its decisions.
        seed: seed of the architecture parameters.
        group: processes that compute the iterations together.

    Raises:
        AutodasError: if the method or engine is unknown, or the method has several phases.
    """
    device, task = torch.device(setting.device), Classification(setting.classes)
    torch.manual_seed(seed)

    def multiply_adds(alive: Any) -> int:
        return supernet_multiply_adds(
            setting.space,
            alive,
            task=task,
            shape=InputShape(setting.channels, setting.image_size, setting.frames),
        )

    choice = choose_strategy(strategy, initial_std=1.0, learning_rate=1e-12, weight_decay=0.0)
    method = load_strategy(choice.name)(
        choice.settings, SearchPlan(setting.space, iterations, seed, multiply_adds)
    )
    if len(method.phases()) > 1:
        raise AutodasError(
            f"strategy '{strategy}' has {len(method.phases())} phases: benchmarks require a single phase"
        )
    phase = method.start(0, device)
    supernet = Supernet(
        phase.space,
        classes=task.outputs,
        channels=setting.channels,
        engine=engine,
        partial_channels=method.partial_channels,
        cells=phase.cells,
    ).to(device)
    compute = Compute(device, setting.precision, setting.graphs, group=group)
    run = PhaseRun(phase, 0, method, supernet, task, OptimSettings(), iterations, compute)
    batch = _noise(setting, compute.part)

    def iteration() -> None:
        run.step(batch, batch if run.searches else None)
        if method.after_iteration(run.iteration):
            run.let_go()

    return iteration


def _function(name: str) -> Callable[..., Any]:
    return import_function(name.removeprefix("python:"), f"engine '{name}'")


def _noise(setting: BenchSetting, part: Part) -> Batch:
    """Return a process's part of a batch of noise: the cost does not depend on the content of images."""
    generator = torch.Generator().manual_seed(0)
    size = setting.space.skeleton.input_size(setting.image_size, setting.frames)
    images = torch.randn(setting.batch_size, *size, setting.channels, generator=generator).movedim(-1, 1)
    labels = torch.randint(setting.classes, (setting.batch_size,), generator=generator)
    own, share = part.of_batch(setting.batch_size)
    indices = torch.arange(setting.batch_size)
    images, labels, indices = (tensor[own].to(setting.device) for tensor in (images, labels, indices))
    return Batch(images, labels, indices, share)
