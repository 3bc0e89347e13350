"""What a benchmark times: one iteration of a search, on our engines or by a function of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from autodas.bench._setting import BenchSetting
from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.loop import Compute, InputShape
from autodas.loop.tasks import Classification
from autodas.search._cost import supernet_multiply_adds
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet, get_engine
from autodas.user_code import import_function

Iteration = Callable[[], object]
"""Does one iteration, an architecture step and a weight step, each time it is called."""

_ENDLESS = 10**6


def is_function(name: str) -> bool:
    """Return whether a name stands for a function of the user's own: ``python:package.module:function``."""
    return name.startswith("python:")


def check_engines(names: Sequence[str]) -> None:
    """Check that engines exist; modules of functions are imported.

    Raises:
        AutodasError: naming the engines that there are; or if a name stands twice.
    """
    for name in names:
        if is_function(name):
            _function(name)
        else:
            get_engine(name)
        if names.count(name) > 1:
            raise AutodasError(f"'{name}' stands twice; to compare it with itself run the command twice")


def make_iteration(engine: str, setting: BenchSetting) -> Iteration:
    """Return what does one iteration of DAS, where everything stays relaxed.

    Args:
        engine: name of an engine, or ``python:package.module:function``. The function is called with the
            keyword arguments ``space``, ``K``, ``C1``, ``C2``, ``batch_size``, ``image_size``, ``channels``,
            ``classes``, ``device`` and ``precision``, of clips also ``frames`` where they were given (see
            :meth:`BenchSetting.keywords`), and returns an :data:`Iteration` on data that it makes up.
        setting: the size.

    Raises:
        AutodasError: if there is no such engine or function, or the function fails.
    """
    if not is_function(engine):
        return searching("das", engine, setting, iterations=_ENDLESS, seed=0)
    try:
        iteration = _function(engine)(**setting.keywords())
    except Exception as error:  # whatever the user's function does
        raise AutodasError(f"engine '{engine}': failed with {type(error).__name__}: {error}") from error
    if not callable(iteration):
        raise AutodasError(
            f"engine '{engine}': must return a function that does one iteration, "
            f"not {type(iteration).__name__}"
        )
    return iteration  # type: ignore[no-any-return]


def searching(strategy: str, engine: str, setting: BenchSetting, *, iterations: int, seed: int) -> Iteration:
    """Return what does the next iteration of a search whose decisions are forced to random outcomes.

    The architecture parameters are drawn at random and stay there, so that every outcome is as likely as
    any other.

    Args:
        strategy: name of a method.
        engine: name of an engine.
        setting: the size.
        iterations: T, over which the method spreads its decisions.
        seed: of the architecture parameters.

    Raises:
        AutodasError: if there is no such method or engine, or the method has several phases.
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
            f"strategy '{strategy}' has {len(method.phases())} phases: benchmarks time searches of one"
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
    compute = Compute(device, setting.precision)
    run = PhaseRun(phase, 0, method, supernet, task, OptimSettings(), iterations, compute)
    batch = _noise(setting)

    def iteration() -> None:
        run.step(batch, batch if run.searches else None)
        if method.after_iteration(run.iteration):
            run.let_go()

    return iteration


def _function(name: str) -> Callable[..., Any]:
    return import_function(name.removeprefix("python:"), f"engine '{name}'")


def _noise(setting: BenchSetting) -> Batch:
    """Return a batch of noise: what pictures show costs nothing."""
    generator = torch.Generator().manual_seed(0)
    size = setting.space.skeleton.input_size(setting.image_size, setting.frames)
    images = torch.randn(setting.batch_size, *size, setting.channels, generator=generator).movedim(-1, 1)
    labels = torch.randint(setting.classes, (setting.batch_size,), generator=generator)
    return Batch(
        images.to(setting.device),
        labels.to(setting.device),
        torch.arange(setting.batch_size, device=setting.device),
    )
