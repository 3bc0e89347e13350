from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.loop import LossWatch, keep_only
from autodas.loop.tasks import AccuracyMeter, Classification, correct_in_top


def naive_top(logits: Tensor, labels: Tensor, k: int) -> list[bool]:
    """A label is in the top k when fewer than k logits are larger."""
    return [sum(float(x) > float(row[y]) for x in row) < k for row, y in zip(logits, labels, strict=True)]


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
@pytest.mark.parametrize("k", [1, 5])
def test_correct_in_top(classes: int, k: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(50, classes, generator=generator)
    labels = torch.randint(0, classes, (50,), generator=generator)
    found = correct_in_top(logits, labels, k)
    assert found.tolist() == naive_top(logits, labels, k)
    if k >= classes:
        assert bool(found.all())


def test_meter_weighs_batches_by_their_size() -> None:
    generator = torch.Generator().manual_seed(0)
    meter, losses, ones, fives = AccuracyMeter(), [], [], []
    for size in (7, 1, 4):
        logits = torch.randn(size, 8, generator=generator)
        labels = torch.randint(0, 8, (size,), generator=generator)
        meter.add(F.cross_entropy(logits, labels), logits, labels)
        losses += [-float(row.log_softmax(0)[y]) for row, y in zip(logits, labels, strict=True)]
        ones += naive_top(logits, labels, 1)
        fives += naive_top(logits, labels, 5)
    found = meter.result("train_")
    assert found == pytest.approx(
        {
            "train_loss": sum(losses) / 12,
            "train_top1": 100 * sum(ones) / 12,
            "train_top5": 100 * sum(fives) / 12,
        },
        rel=1e-6,
    )


def test_meter_with_three_classes_and_without_samples() -> None:
    meter = AccuracyMeter()
    assert meter.result() == {}
    logits, labels = torch.tensor([[3.0, 2, 1], [3, 2, 1]]), torch.tensor([0, 2])
    meter.add(F.cross_entropy(logits, labels), logits, labels)
    # Of three classes the five most likely are all there is.
    assert meter.result() == {"loss": pytest.approx(1.4076, abs=1e-4), "top1": 50}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_loss_watch_names_step_and_iteration_at_once(value: float) -> None:
    watch = LossWatch("cpu", every=50)  # on the CPU looking is free
    watch.add(6, "weight", torch.tensor(999.0))
    with pytest.raises(AutodasError, match=r"weight step.*at iteration 7"):
        watch.add(7, "weight", torch.tensor(value))


def test_a_loss_beyond_all_reason_stops_a_run_like_one_that_is_no_number() -> None:
    watch = LossWatch("cpu")
    with pytest.raises(AutodasError, match=r"has grown to 1,215,808 at iteration 3.*`optim\.lr`"):
        watch.add(3, "weight", torch.tensor(1215808.0))


def test_loss_watch_looks_now_and_then_on_an_accelerator() -> None:
    watch = LossWatch("cuda", every=4)
    watch.add(1, "weight", torch.tensor(1.0))
    watch.add(1, "architecture", torch.tensor(float("nan")))
    watch.add(2, "weight", torch.tensor(float("nan")))
    with pytest.raises(AutodasError, match="architecture step is nan at iteration 1;"):
        watch.add(2, "architecture", torch.tensor(1.0))
    watch.add(3, "weight", torch.tensor(float("inf")))
    with pytest.raises(AutodasError, match="inf at iteration 3"):
        watch.check()
    watch.check()  # each loss is looked at once


def test_loss_watch_keeps_no_graph() -> None:
    watch = LossWatch("cuda", every=10)
    watch.add(1, "weight", torch.ones(1, requires_grad=True).sum())
    assert not watch.pending[0][2].requires_grad


def test_metrics_in_words() -> None:
    metrics = {"train_loss": 0.12345, "train_top1": 98.76, "train_top5": 99.0, "test_top1": None}
    assert Classification(10).in_words(metrics) == "train loss 0.123, train top1 98.8 %"


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_keep_only(kind: str) -> None:
    parameters = [nn.Parameter(torch.ones(2)) for _ in range(5)]
    groups = [{"params": parameters[:3]}, {"params": parameters[3:], "lr": 0.5}]
    optimiser: torch.optim.Optimizer = (
        torch.optim.SGD(groups, lr=0.1, momentum=0.9) if kind == "sgd" else torch.optim.Adam(groups, lr=0.1)
    )
    for parameter in parameters:
        parameter.grad = torch.ones(2)
    optimiser.step()
    state = {id(p): optimiser.state[p] for p in parameters}
    kept = [parameters[4], parameters[0]]
    keep_only(optimiser, kept)
    assert [[id(p) for p in group["params"]] for group in optimiser.param_groups] == [
        [id(parameters[0])],
        [id(parameters[4])],
    ]
    assert {id(p) for p in optimiser.state} == {id(p) for p in kept}
    assert all(optimiser.state[p] is state[id(p)] for p in kept)
    before = [p.detach().clone() for p in parameters]
    optimiser.step()
    moved = [not torch.equal(p, b) for p, b in zip(parameters, before, strict=True)]
    # What was let go of no longer moves by its momentum.
    assert moved == [True, False, False, False, True]
    optimiser.load_state_dict(optimiser.state_dict())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_have_no_accuracy(value: float) -> None:
    images = torch.zeros(6, 3)
    images[4, 1] = value
    batch = Batch(images, torch.zeros(6, dtype=torch.int64), torch.arange(6))
    with pytest.raises(AutodasError, match=r"not finite for 1 of 6 samples.*`optim\.lr`"):
        Classification(3).evaluate(lambda x: x, [batch])


def test_evaluate_against_one_picture_at_a_time() -> None:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(23, 3, generator=generator)
    labels = torch.randint(0, 7, (23,), generator=generator)
    order = torch.randperm(23, generator=generator)
    weights = torch.randn(3, 7, generator=generator, requires_grad=True)

    def batches() -> Iterator[Batch]:
        for part in order.split(5):  # the last one is smaller
            yield Batch(images[part], labels[part], part)

    found = Classification(7).evaluate(lambda x: x @ weights, batches())
    logits = (images @ weights).detach()[order]
    assert torch.allclose(found.logits, logits, atol=1e-6)
    assert not found.logits.requires_grad
    assert torch.equal(found.labels, labels[order])
    assert torch.equal(found.indices, order)
    assert found.count == 23
    naive = [-float(row.log_softmax(0)[y]) for row, y in zip(logits, labels[order], strict=True)]
    assert found.loss == pytest.approx(sum(naive) / 23, rel=1e-5)
    assert found.top1 == pytest.approx(100 * sum(naive_top(logits, labels[order], 1)) / 23)
    assert found.top5 == pytest.approx(100 * sum(naive_top(logits, labels[order], 5)) / 23)
    assert 0 < found.top1 < found.top5 < 100
    assert found.summary()["standard_error"] == found.error > 0
