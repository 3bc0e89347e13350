"""Searches whose iterations are recorded, and what an iteration must not ask of the host."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow, small

import autodas
from autodas.data import Augmentation, Batch, Loader
from autodas.loop import Compute
from autodas.loop import _iterations as iterations_module
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import _recorded as graph_module
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.spaces import Space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan, Strategy
from autodas.supernet import Supernet

REGULARISED = {"beta_decay": 5.0, "smoothing": 0.3, "auxiliary_skip": 1.0}
"""What changes with every iteration."""

SPACE = narrow(autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8))
SMALL = small(autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8))


# A GPU has no compiled kernels for CPUs.
pytestmark = [pytest.mark.usefixtures("plain_kernels"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The learning rate in a tensor, as on a GPU."""
    monkeypatch.setattr(optimisers_module, "on_accelerator", lambda parameters: True)


def search(folder: Path, name: str, engine: str, micro_batches: int) -> autodas.SearchResult:
    more = REGULARISED if (name, engine) in (("sdas-c", "fused"), ("pdarts", "fused")) else {}
    choice = autodas.choose_strategy(name, learning_rate=0.05, **more)
    return autodas.Search(
        autodas.open_dataset("digits", subset=84),
        SPACE if name == "pdarts" else SMALL,  # which drops operations
        choice,
        keeping=autodas.Keeping(autodas.RunFolder(folder).create(), tensorboard=False, quiet=True),
        epochs=4,
        batch_size=8,
        supernet=autodas.SupernetSettings(engine),
        compute=autodas.Compute(micro_batches=micro_batches, check_memory=False),
    ).run()


def traces(folder: Path) -> tuple[list[Any], bytes, list[torch.Tensor]]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("volatile", None)
    state = torch.load(folder / "checkpoints/last.pt", weights_only=True)
    return events, (folder / "metrics.csv").read_bytes(), list(_tensors(state))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


@pytest.mark.parametrize(
    ("name", "engine", "micro_batches"),
    [
        ("sdas-c", "reference", 2),
        ("sdas-c", "fused", 1),
        ("snas", "fused", 1),
        ("pdarts", "fused", 1),
    ],
)
def test_a_recorded_search_equals_one_that_is_not(
    name: str,
    engine: str,
    micro_batches: int,
    tmp_path: Path,
    tape_recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_module, "WARM_UP", 1)
    monkeypatch.setattr(graph_module, "PAYS", 1)
    plain = search(tmp_path / "plain", name, engine, micro_batches)
    monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: tape_recorder)
    recorded = search(tmp_path / "recorded", name, engine, micro_batches)
    assert recorded.genotype == plain.genotype
    # 24 iterations of two shapes. SDAS takes 6 decisions, P-DARTS has a rate of its own in every epoch:
    # after each all is recorded anew. In SNAS only what is in lasting tensors changes, as in regularisation.
    assert tape_recorder.played > 10
    assert tape_recorder.recorded == 2 if name == "snas" else tape_recorder.recorded > 3
    left, right = traces(tmp_path / "plain"), traces(tmp_path / "recorded")
    assert left[:2] == right[:2]
    assert len(left[2]) == len(right[2]) > 60
    assert all(torch.equal(a, b) for a, b in zip(left[2], right[2], strict=True))


def test_methods_that_sample_are_not_recorded(tape_recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: tape_recorder)
    run = start("das", "reference")
    monkeypatch.setattr(Strategy, "constants", lambda self: None)
    for _ in range(5):
        run.step(batch(), batch())
    assert tape_recorder.recorded == 0


def test_a_number_of_the_host_that_changes_is_recorded_anew(
    tape_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: tape_recorder)
    run = start("das", "reference")
    # As a rate that changes after the fourth iteration. The first recording comes after two usual iterations,
    # others after one.
    monkeypatch.setattr(Strategy, "constants", lambda self: (run.iteration >= 4,))
    seen = []
    for _ in range(8):
        run.step(batch(), batch())
        seen.append(tape_recorder.recorded)
    assert seen == [0, 0, 1, 1, 1, 2, 2, 2]
    assert tape_recorder.forgotten == 1


def test_nothing_is_recorded_shortly_before_a_decision(
    tape_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: tape_recorder)
    run = start("sdas-b", "reference", iterations=1000)
    first, second = run.strategy.decision_times()[:2]
    assert run.left == first > graph_module.PAYS
    run.iteration = first - graph_module.PAYS - 1
    seen = []
    for _ in range(4):
        run.step(batch(), batch())
        seen.append(tape_recorder.recorded)
    assert seen == [0, 0, 0, 0], "the third iteration is too near"
    run.iteration = first
    assert run.left == second - first > graph_module.PAYS
    run.step(batch(), batch())
    assert tape_recorder.recorded == 1


def test_a_phase_that_has_ended_is_freed_at_once() -> None:
    """Its network would otherwise take memory beside that of the next phase."""
    run = start("das", "fused")
    run.step(batch(), batch())
    supernet = weakref.ref(run.supernet)
    gc.collect()
    gc.disable()
    try:
        run.end()
        del run
        assert supernet() is None
    finally:
        gc.enable()


class Failing:
    """A recorder whose recordings fail in the middle of the architecture step."""

    def warm_up(self, call: Callable[[], Any]) -> Any:
        return call()

    def record(self, call: Callable[[], Any]) -> Any:
        def fail(self: PhaseRun, *arguments: Any, **more: Any) -> None:
            raise RuntimeError("operation not permitted when stream is capturing")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PhaseRun, "_gradient", fail)
            return call()

    def forget(self) -> None:
        pass


@pytest.mark.parametrize("name", ["das", "sdas-c"])
def test_a_search_goes_on_after_a_failed_recording(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: Failing())
    monkeypatch.setattr(graph_module, "PAYS", 1)
    run = start(name, "reference")
    for _ in range(5):
        run.step(batch(), batch())
    assert run.steps.recorded.failure
    assert all(weight.requires_grad and weight.grad is not None for weight in run.weights)


def start(name: str, engine: str, space: Space = SPACE, iterations: int = 40, **settings: object) -> PhaseRun:
    choice = choose_strategy(name, **settings)
    plan = SearchPlan(space, iterations, 0, lambda alive: 1)
    strategy = load_strategy(choice.name)(choice.settings, plan)
    phase = strategy.start(0, "cpu")
    supernet = Supernet(phase.space, classes=10, channels=1, engine=engine, cells=phase.cells)
    return PhaseRun(phase, 0, strategy, supernet, Classification(10), OptimSettings(), 40, Compute())


def batch(*size: int) -> Batch:
    return Batch(torch.randn(4, 1, *size or (8, 8)), torch.randint(10, (4,)), torch.arange(4))


@pytest.fixture
def refuse_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From a call on, tensors cannot be read as Python lists or arrays, nor indexed with lists."""

    def refuse(self: torch.Tensor, *arguments: Any) -> None:
        raise AssertionError("the host reads a tensor")

    def without_lists(usual: Callable[..., Any]) -> Callable[..., Any]:
        def index(self: torch.Tensor, at: Any, *values: Any) -> Any:
            # An index tensor would be made on the host, and copied to the device.
            assert not any(isinstance(part, list) for part in (at if isinstance(at, tuple) else [at]))
            return usual(self, at, *values)

        return index

    def begin() -> None:
        for name in ("tolist", "numpy", "__array__", "cpu"):
            monkeypatch.setattr(torch.Tensor, name, refuse)
        for name in ("__getitem__", "__setitem__"):
            monkeypatch.setattr(torch.Tensor, name, without_lists(getattr(torch.Tensor, name)))

    return begin


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("name", ["das", "sdas-a", "pcdarts", "pdarts", "snas", "random"])
def test_an_iteration_asks_nothing_of_the_host(
    name: str, engine: str, tape: Any, refuse_reading: Callable[[], None]
) -> None:
    run = start(name, engine)
    run.steps.watch.every = 50  # as on an accelerator
    valid = batch() if run.searches else None
    for _ in range(graph_module.WARM_UP):
        run.step(batch(), valid)
        run.strategy.after_iteration(1)
    train = batch()
    refuse_reading()
    with tape(strict=True) as operations:
        run.step(train, valid)
        # What the loop does in every iteration beside it.
        assert {kind: cell.detach() for kind, cell in run.strategy.mixture().items()}
        assert not run.strategy.after_iteration(1)
    assert len(operations.operations) > 300


def test_an_iteration_on_stage_graphs_asks_nothing_of_the_host(
    tape: Any, refuse_reading: Callable[[], None]
) -> None:
    """Their penalties are made of tables of numbers."""
    space = autodas.get_space("cifar_stages-darts").with_size(K=1, C1=4, C2=8)
    run = start("hdas", "fused", space, level="stages", genotype="hdas_cells", lengths=(2, 3))
    assert run.strategy.penalty() is not None
    valid = batch() if run.searches else None
    run.steps.watch.every = 50
    run.step(batch(), valid)
    refuse_reading()
    with tape(strict=True):
        run.step(batch(), valid)


@pytest.mark.parametrize("operations", ["o3d", "oadv"])
def test_an_iteration_on_clips_asks_nothing_of_the_host(
    operations: str, tape: Any, refuse_reading: Callable[[], None]
) -> None:
    """Both have units with a temporal convolution among others without one."""
    space = narrow(autodas.get_space(f"video-{operations}").with_size(K=0, C1=4, C2=8))
    run, clips = start("das", "fused", space), batch(4, 8, 8)
    run.steps.watch.every = 50
    run.step(clips, clips)
    refuse_reading()
    with tape(strict=True):
        run.step(clips, clips)


@pytest.mark.parametrize(
    "augmentation",
    [
        None,
        Augmentation(crop_padding=4, flip=True, cutout=4, color_jitter=0.4),
    ],
)
def test_a_batch_asks_nothing_of_the_host(
    augmentation: Augmentation | None, tape: Any, refuse_reading: Callable[[], None]
) -> None:
    dataset = autodas.open_dataset("digits", subset=100)
    stream = Loader(
        dataset.train,
        None,
        batch_size=16,
        mean=dataset.mean,
        std=dataset.std,
        image_size=dataset.image_size,
        seed=0,
        shuffle=augmentation is not None,
        augmentation=augmentation,
    ).stream()
    next(stream)  # the order of an epoch is drawn on the host
    refuse_reading()
    with tape(strict=True) as operations:
        found = next(stream)
    assert len(operations.operations) > 3
    assert found.images.shape == (16, 1, 8, 8)
