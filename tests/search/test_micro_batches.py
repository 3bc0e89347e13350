"""Micro-batches against their definition: mean gradient of the parts, batch statistics of each part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import autodas
from autodas.cli.main import main
from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.loop import Compute, clipped_step, finished, micro_batches
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun, Samples
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet

pytestmark = pytest.mark.slow

SPACE = autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8)
OPTIM = OptimSettings(lr=0.1, clip=1.0, label_smoothing=0.1)


def batch(seed: int, size: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, 1, 8, 8, generator=generator).to(memory_format=torch.channels_last)
    return Batch(images, torch.randint(0, 4, (size,), generator=generator), torch.arange(size))


def start(name: str, engine: str = "reference", micro_batches: int = 1) -> PhaseRun:
    choice = choose_strategy(name, initial_std=0.5)
    strategy = load_strategy(choice.name)(choice.settings, SearchPlan(SPACE, 40, 0, lambda alive: 1))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    supernet = Supernet(SPACE, classes=4, channels=1, engine=engine)
    task = Classification(4, OPTIM.label_smoothing)
    return PhaseRun(phase, 0, strategy, supernet, task, OPTIM, 40, Compute(micro_batches=micro_batches))


def smoothed(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    logs = logits.log_softmax(1)
    label = logs[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * label + smoothing * logs.mean(1)).sum()


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_both_steps_by_their_definition(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, twin = start("sdas-a", engine, micro_batches=3), start("sdas-a")
    train, valid = batch(1, 8), batch(2, 8)
    ends = [(0, 3), (3, 6), (6, 8)]  # as even as it goes

    # The weight step: sums over pictures, divided by all of them.
    names, weights = zip(*twin.supernet.named_parameters(), strict=True)
    expected = [torch.zeros_like(w) for w in weights]
    mixture = {kind: cell.detach() for kind, cell in twin.strategy.mixture().items()}
    sums = 0.0
    twin.supernet.train()
    for first, last in ends:
        loss = smoothed(twin.supernet(train.images[first:last], mixture), train.labels[first:last], 0.1)
        for total, g in zip(expected, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            total += torch.zeros_like(total) if g is None else g / 8
        sums += float(loss.detach())
    norm = torch.stack([g.norm() for g in expected]).norm()
    expected = [g * min(1.0, OPTIM.clip / (float(norm) + 1e-6)) for g in expected]
    assert norm > OPTIM.clip, "so that it shows when the gradient is clipped"
    decayed = [
        w.detach() - 0.1 * (g + OPTIM.weight_decay * w.detach())
        for w, g in zip(weights, expected, strict=True)
    ]
    found = finished(run._weight_step(Samples(train.images, train.labels)))
    assert float(found) == pytest.approx(sums / 8, rel=1e-5)
    assert run.train_meter.result()["loss"] == pytest.approx(sums / 8, rel=1e-5)
    assert float(run.train_meter.sums[3]) == 8
    for name, value in zip(names, decayed, strict=True):
        moved = run.supernet.get_parameter(name)
        assert torch.allclose(moved, value, rtol=1e-4, atol=1e-5), name

    # Running statistics followed part by part: those of the stem by hand, all others as the twin's.
    maps = F.conv2d(train.images, start("sdas-a").supernet.stem.conv.weight, padding=1)
    mean = torch.zeros(4)
    for first, last in ends:
        mean = 0.9 * mean + 0.1 * maps[first:last].mean((0, 2, 3))
    assert torch.allclose(run.supernet.stem.norm.running_mean, mean, atol=1e-6)
    for name, tensor in twin.supernet.named_buffers():
        assert torch.allclose(run.supernet.get_buffer(name), tensor, rtol=1e-3, atol=1e-5), name

    # The architecture step, with the weights and statistics of now.
    twin.supernet.load_state_dict(run.supernet.state_dict())
    parameters = run.strategy.parameters()
    wanted = {name: torch.zeros_like(p) for name, p in twin.strategy.parameters().items()}
    for first, last in ends:
        loss = smoothed(
            twin.supernet(valid.images[first:last], twin.strategy.mixture()), valid.labels[first:last], 0.0
        )
        gradients = torch.autograd.grad(loss, list(twin.strategy.parameters().values()))
        for name, gradient in zip(wanted, gradients, strict=True):
            wanted[name] += gradient / 8
    before = {name: t.clone() for name, t in run.supernet.state_dict().items()}
    assert run.architecture_optimiser is not None
    monkeypatch.setattr(run.architecture_optimiser, "step", lambda: None)
    finished(run._architecture_step(Samples(valid.images, valid.labels), Samples(train.images, train.labels)))
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        assert torch.allclose(parameters[name].grad, gradient, rtol=1e-3, atol=1e-4 * largest), name
    assert all(torch.equal(before[name], t) for name, t in run.supernet.state_dict().items())


@pytest.mark.parametrize("name", ["das", "sdas-a"])
def test_one_part_is_the_usual_step_to_the_bit(name: str) -> None:
    run, twin = start(name), start(name)
    adam, sgd = twin.architecture_optimiser, twin.weight_optimiser
    assert adam is not None

    def weight_step(data: Batch, rate: float) -> None:
        sgd.param_groups[0]["lr"] = rate
        sgd.zero_grad()
        mixture = {kind: cell.detach() for kind, cell in twin.strategy.mixture().items()}
        F.cross_entropy(twin.supernet(data.images, mixture), data.labels, label_smoothing=0.1).backward()
        clipped_step(sgd, OPTIM.clip)

    def architecture_step(data: Batch) -> None:
        statistics = {n: b.clone() for n, b in twin.supernet.named_buffers()}
        loss = F.cross_entropy(twin.supernet(data.images, twin.strategy.mixture()), data.labels)
        parameters = list(twin.strategy.parameters().values())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        adam.step()
        for n, b in twin.supernet.named_buffers():
            b.copy_(statistics[n])

    for iteration in range(3):
        train, valid = batch(iteration, 7), batch(10 + iteration, 6)
        run.step(train, valid)
        rate = 0.1 * (1 + torch.cos(torch.tensor(torch.pi * iteration / 40, dtype=torch.float64)).item()) / 2
        twin.supernet.train()
        steps = [lambda t=train, r=rate: weight_step(t, r), lambda v=valid: architecture_step(v)]
        for step in reversed(steps) if name == "das" else steps:
            step()
    for left, right in zip(
        run.supernet.state_dict().values(), twin.supernet.state_dict().values(), strict=True
    ):
        assert torch.equal(left, right)
    for key, parameter in run.strategy.parameters().items():
        assert torch.equal(parameter, twin.strategy.parameters()[key])


@pytest.mark.parametrize(
    ("size", "count", "sizes"),
    [(8, 1, [8]), (8, 3, [3, 3, 2]), (10, 4, [3, 3, 2, 2]), (5, 4, [3, 2]), (3, 2, [3]), (2, 2, [2])],
)
def test_sizes_of_parts(size: int, count: int, sizes: list[int]) -> None:
    images, labels = torch.arange(size)[:, None].float(), torch.arange(size)
    parts = micro_batches(images, labels, count)
    assert [len(part.labels) for part in parts] == sizes
    assert torch.equal(torch.cat([part.images for part in parts]), images)
    assert torch.equal(torch.cat([part.labels for part in parts]), labels)
    assert [part.share for part in parts] == [s / size for s in sizes]


@pytest.mark.parametrize("command", [["search"], ["search", "--dry_run"], ["train", "darts_v2"]])
@pytest.mark.parametrize(("count", "what"), [(0, "at least 1"), (4, "at most 3"), (99, "at most 3")])
def test_too_many(
    command: list[str], count: int, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = "space" if command[0] == "search" else "skeleton"
    words = [f"--{size}.K=0", f"--{size}.C1=4", f"--{size}.C2=8", "--data=digits", "--data.subset=40"]
    words += ["--batch_size=7", f"--micro_batches={count}", f"--run={tmp_path / 'run'}"]
    assert main([*command, *words]) == 2
    assert f"micro_batches={count}" in (message := capsys.readouterr().err)
    assert what in message
    assert not (tmp_path / "run").exists()


def test_a_batch_is_capped_before_it_is_split(tmp_path: Path) -> None:
    # 20 pictures, about 10 a half: six parts of 64 would be fine, six parts of ten are not.
    dataset = autodas.open_dataset("digits", subset=20)
    keeping = autodas.Keeping(autodas.RunFolder(tmp_path / "run"))
    with pytest.raises(AutodasError, match="batches of 10 samples"):
        autodas.Search(dataset, SPACE, "das", keeping=keeping, epochs=1, compute=Compute(micro_batches=6))
