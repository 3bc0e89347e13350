"""The train loop: what enters the gradient, what is kept, and that a stopped run goes on to the bit."""

from __future__ import annotations

import copy
import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from autodas.errors import AutodasError, Interrupted
from autodas.loop import Compute, load_checkpoint
from autodas.loop import _keeper as keeper_module
from autodas.runs.folder import RunFolder
from autodas.settings import OptimSettings
from autodas.training import fit as fit_module
from autodas.training.fit import Fit, Regularisation

pytestmark = pytest.mark.slow


def events(folder: RunFolder) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]
    for event in found:
        event.pop("volatile", None)
    return found


def same_weights(left: torch.nn.Module, right: torch.nn.Module) -> bool:
    a, b = left.state_dict(), right.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_at(patch: pytest.MonkeyPatch, iteration: int, action: Any) -> None:
    """Let something happen after a certain iteration, counted from 0."""
    original = Fit.step

    def step(self: Fit, batch: Any) -> None:
        original(self, batch)
        if self.iteration == iteration + 1:
            action(self)

    patch.setattr(Fit, "step", step)


def raise_signal(fit: Fit) -> None:
    signal.raise_signal(signal.SIGTERM)
    assert fit.keeper.stop.requested, "noted, not acted upon"


def crash(fit: Fit) -> None:
    raise KeyboardInterrupt


def request(fit: Fit) -> None:
    fit.keeper.stop.requested = True


@pytest.mark.parametrize(
    ("end", "stop", "validated"),
    [
        pytest.param(raise_signal, 7, False, id="signal in epoch 2"),
        pytest.param(request, 9, True, id="last iteration of epoch 2"),
        pytest.param(crash, 10, True, id="crash in epoch 3"),
    ],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    tools: Any, monkeypatch: pytest.MonkeyPatch, end: Any, stop: int, validated: bool
) -> None:
    def options() -> dict[str, Any]:
        held_out = tools.loader(tools.images(12, 8, seed=9), 5, train=False) if validated else None
        return {"validation": held_out, "watched": held_out, "watch_every": 2 if validated else 0}

    whole = tools.network()
    fit = tools.fit(tools.folder("whole"), whole, **options())
    torch.manual_seed(11)
    fit.run()

    folder = tools.folder("stopped")
    torch.manual_seed(11)
    with monkeypatch.context() as patch:
        stop_at(patch, stop, end)
        first = tools.fit(folder, tools.network(), **options())
        torch.manual_seed(11)
        with pytest.raises(KeyboardInterrupt if end is crash else Interrupted):
            first.run()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with open(folder.path / "events.jsonl", "a") as file:
        file.write('{"event": "half a li')  # what a crash leaves behind
    with open(folder.path / "metrics.csv", "a") as file:
        file.write("15,0.1")

    network = tools.network(seed=77)  # other weights, another state of the generator
    second = tools.fit(folder, network, resume=True, **options())
    # A crash falls back to the end of an epoch of five batches, a stop loses nothing.
    assert second.iteration == (10 if end is crash else stop + 1)
    second.run()
    assert same_weights(network, whole)
    assert events(folder) == events(fit.folder)
    assert (folder.path / "metrics.csv").read_bytes() == (fit.folder.path / "metrics.csv").read_bytes()
    assert len(events(folder)) == 1 + 3
    left, right = (load_checkpoint(f.checkpoint, "train") for f in (folder, fit.folder))
    assert torch.equal(left["random"]["cpu"], right["random"]["cpu"])
    assert left["log"]["metrics"] == right["log"]["metrics"]
    assert repr(left["optimiser"]) == repr(right["optimiser"])


def test_a_finished_run_resumes_to_itself(tools: Any) -> None:
    folder, network = tools.folder(), tools.network()
    tools.fit(folder, network, epochs=1).run()
    before = (folder.path / "events.jsonl").read_bytes()
    again = tools.network(seed=5)
    tools.fit(folder, again, epochs=1, resume=True).run()
    assert same_weights(network, again)
    assert (folder.path / "events.jsonl").read_bytes() == before


def test_resume_without_a_checkpoint(tools: Any) -> None:
    with pytest.raises(AutodasError, match="the checkpoint is missing"):
        tools.fit(tools.folder(), resume=True)


def test_checkpoints_fall_every_few_epochs_and_at_the_end(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    monkeypatch.setattr(
        keeper_module, "save_checkpoint", lambda path, command, state: saved.append(state["iteration"] // 5)
    )
    tools.fit(tools.folder(), epochs=3, checkpoint_every=2).run()
    assert saved == [2, 3]


def test_validation_keeps_the_first_best_epoch(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies, seen = iter([10.0, 50.0, 50.0, 30.0]), []

    def evaluated(network: Any, loader: Any, task: Any, **options: Any) -> Any:
        seen.append(copy.deepcopy(network.state_dict()))
        return SimpleNamespace(metrics={"loss": 1.0, "top1": next(accuracies), "top5": 100.0})

    monkeypatch.setattr(fit_module, "evaluate_network", evaluated)
    held_out = tools.loader(tools.images(4, 8), 4, train=False)
    network = tools.network()
    fit = tools.fit(tools.folder(), network, epochs=4, validation=held_out)
    fit.run()
    assert fit.best["epoch"] == 2
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in network.state_dict().items())
    assert not torch.equal(seen[1]["classifier.weight"], seen[3]["classifier.weight"])


def test_without_validation_the_last_epoch_is_kept(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    last = {}
    stop_at(monkeypatch, 9, lambda fit: last.update(copy.deepcopy(fit.network.state_dict())))
    network = tools.network()
    fit = tools.fit(tools.folder(), network, epochs=2)
    fit.run()
    assert fit.best == {}
    assert all(torch.equal(tensor, last[name]) for name, tensor in network.state_dict().items())


def test_watched_pictures_change_nothing(tools: Any) -> None:
    networks = []
    for name in ("watched", "plain"):
        options: dict[str, Any] = {}
        if name == "watched":
            options = {"watched": tools.loader(tools.images(10, 8, 4), 4, train=False), "watch_every": 2}
        networks.append(tools.network())
        fit = tools.fit(tools.folder(name), networks[-1], **options)
        torch.manual_seed(1)
        fit.run()
    assert same_weights(*networks)
    rows = [line.split(",") for line in (tools.path / "watched/metrics.csv").read_text().splitlines()]
    column = rows[0].index("test_top1")
    assert [bool(row[column]) for row in rows[1:]] == [False, True, False]


def test_drop_path_rises_from_zero(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # DARTS: rate * epoch / epochs, with epochs from 0.
    rates = []
    original = Fit.step

    def step(self: Fit, *arguments: Any) -> None:
        original(self, *arguments)
        rates.extend(cell.drop_path for cell in self.network.cells)

    monkeypatch.setattr(Fit, "step", step)
    fit = tools.fit(tools.folder(), epochs=4, regularisation=Regularisation(drop_path=0.2))
    fit.run()
    # Two cells, five batches an epoch.
    assert rates == pytest.approx([rate for rate in (0.0, 0.05, 0.1, 0.15) for _ in range(10)])


def smoothed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """(1 - e) times the label's, e times the mean over all classes' negative log-probability."""
    logs = logits.log_softmax(1)
    label = logs[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * label + smoothing * logs.mean(1)).mean()


@pytest.mark.parametrize(
    ("size", "auxiliary", "smoothing"), [(8, None, 0.0), (8, None, 0.1), (32, 0.4, 0.1), (32, 0.0, 0.0)]
)
def test_one_step_against_the_gradient_by_hand(
    tools: Any, size: int, auxiliary: float | None, smoothing: float
) -> None:
    network = tools.network(auxiliary=auxiliary is not None, image_size=size).double()
    assert (network.auxiliary is not None) == (auxiliary is not None)
    twin = copy.deepcopy(network).train()
    train = tools.loader(tools.images(4, size), 4)
    (batch,) = train.batches(0)
    logits, second = twin.forward_with_auxiliary(batch.images.double())
    loss = smoothed_cross_entropy(logits, batch.labels, smoothing)
    total = loss
    if auxiliary is not None:
        # DARTS: L + 0.4 L_aux.
        total = total + auxiliary * smoothed_cross_entropy(second, batch.labels, smoothing)
    total.backward()
    optim = OptimSettings(lr=0.5, momentum=0.0, weight_decay=0.0, clip=0.0, label_smoothing=smoothing)
    fit = tools.fit(
        tools.folder(),
        network,
        train=Doubled(train),
        epochs=1,
        optim=optim,
        regularisation=Regularisation(auxiliary_weight=0.4 if auxiliary is None else auxiliary),
    )
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    fit.run()
    for (name, parameter), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        gradient = torch.zeros_like(parameter) if other.grad is None else other.grad
        # The loop computes its loss in single precision.
        assert torch.allclose(parameter, before[name] - 0.5 * gradient, rtol=1e-4, atol=1e-6), name
    # Only the main loss is reported.
    assert events(fit.folder)[1]["train_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    if auxiliary:
        moved = [n for n, p in network.named_parameters() if not torch.equal(p, before[n])]
        assert any(name.startswith("auxiliary.") for name in moved)


def test_one_step_in_parts_against_the_gradient_by_hand(tools: Any) -> None:
    """Seven pictures in three parts of 3, 2 and 2, each normalised by itself; clipped once, at the end."""
    network = tools.network()
    twin = copy.deepcopy(network).train()
    train = tools.loader(tools.images(7, 8), 7)
    (batch,) = train.batches(0)
    losses = [
        smoothed_cross_entropy(twin(batch.images[a:b]), batch.labels[a:b], 0.1) * (b - a) / 7
        for a, b in ((0, 3), (3, 5), (5, 7))
    ]
    sum(losses).backward()
    norm = torch.stack([p.grad.norm() for p in twin.parameters() if p.grad is not None]).norm()
    optim = OptimSettings(lr=0.5, momentum=0.0, weight_decay=0.0, clip=0.1, label_smoothing=0.1)
    assert norm > optim.clip
    fit = tools.fit(
        tools.folder(), network, train=train, epochs=1, optim=optim, compute=Compute(micro_batches=3)
    )
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    fit.run()
    for (name, parameter), other in zip(network.named_parameters(), twin.parameters(), strict=True):
        gradient = torch.zeros_like(parameter) if other.grad is None else other.grad * (optim.clip / norm)
        assert torch.allclose(parameter, before[name] - 0.5 * gradient, rtol=1e-4, atol=1e-6), name
    for name, statistics in twin.named_buffers():
        assert torch.allclose(network.get_buffer(name), statistics, rtol=1e-5), name
    assert events(fit.folder)[1]["train_loss"] == pytest.approx(float(sum(losses).detach()), rel=1e-5)


class Doubled:
    """A loader whose pictures are in double precision."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def stream(self, start: int) -> Any:
        return (batch._replace(images=batch.images.double()) for batch in self.loader.stream(start))


def test_the_gradient_is_clipped(tools: Any) -> None:
    network = tools.network()
    optim = OptimSettings(lr=1.0, momentum=0.0, weight_decay=0.0, clip=0.01)
    before = [p.detach().clone() for p in network.parameters()]
    tools.fit(tools.folder(), network, train=tools.loader(tools.images(4, 8), 4), epochs=1, optim=optim).run()
    moved = torch.cat([(p.detach() - b).flatten() for p, b in zip(network.parameters(), before, strict=True)])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_a_loss_that_is_no_number(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tools.folder()

    def spoil(fit: Fit) -> None:
        with torch.no_grad():
            fit.network.classifier.bias.fill_(float("nan"))

    stop_at(monkeypatch, 6, spoil)  # after iteration 7; the loss of iteration 8 shows it
    fit = tools.fit(folder)
    with pytest.raises(AutodasError, match="training step is nan at iteration 8") as e:
        fit.run()
    assert "\n" not in str(e.value)
    state = load_checkpoint(folder.checkpoint, "train")
    assert state["iteration"] == 5
    assert all(bool(t.isfinite().all()) for t in state["network"].values())
    monkeypatch.undo()
    tools.fit(folder, resume=True).run()
    assert [event.get("epoch") for event in events(folder)] == [None, 1, 2, 3]


def test_the_disk_fills_up(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tools.folder()
    original, calls = keeper_module.save_checkpoint, []

    def save(path: Path, command: str, state: dict[str, Any]) -> None:
        calls.append(path)
        if len(calls) == 2:
            monkeypatch.setattr("os.replace", full_disk)
        original(path, command, state)

    monkeypatch.setattr(keeper_module, "save_checkpoint", save)
    with pytest.raises(AutodasError, match="No space left on device"):
        tools.fit(folder).run()
    monkeypatch.undo()
    assert load_checkpoint(folder.checkpoint, "train")["iteration"] == 5
    assert [path.name for path in folder.checkpoint.parent.iterdir()] == ["last.pt"]


def full_disk(*arguments: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("setting", [{"drop_path": 1.0}, {"drop_path": -0.1}, {"auxiliary_weight": -1.0}])
def test_regularisation_out_of_range(setting: dict[str, float]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(AutodasError, match=f"{name}={value}"):
        Regularisation(**setting)


def test_at_least_one_epoch(tools: Any) -> None:
    with pytest.raises(AutodasError, match="epochs=0 must be at least 1"):
        tools.fit(tools.folder(), epochs=0)


def test_bf16_trains_and_evaluates_in_single_precision(tools: Any) -> None:
    held_out = tools.loader(tools.images(8, 8, 2), 4, train=False)
    fit = tools.fit(tools.folder(), epochs=1, compute=Compute(precision="bf16"), validation=held_out)
    fit.run()
    (event,) = events(fit.folder)[1:]
    with torch.no_grad():
        logits = torch.cat([fit.network.eval()(batch.images) for batch in held_out.batches(0)])
    labels = torch.cat([batch.labels for batch in held_out.batches(0)])
    assert event["validation_loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
