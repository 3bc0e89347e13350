"""Distillation: its loss by hand, teachers of every origin, refusals, and resumed runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autodas.data import Augmentation, ImageDataset, Loader
from autodas.errors import AutodasError
from autodas.loop import Keeping
from autodas.loop.tasks import Classification, Multilabel, Regression
from autodas.networks import CellBlueprint
from autodas.runs.folder import RunFolder
from autodas.settings import EvaluationPlan, OptimSettings, TeacherSettings
from autodas.training.fit import Fit
from autodas.training.model_file import ModelFacts, load_model, save_model
from autodas.training.recipe import Training
from autodas.training.teacher import Distillation, Teacher, open_teacher

PLAIN = Augmentation(crop_padding=0)


class Brightness(nn.Module):
    """Teacher of a user: its outputs are known for every image."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.arange(1.0, len(classes) + 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3))[:, None] * self.factors


def a_number(classes: tuple[str, ...]) -> int:
    return len(classes)


def two_outputs(classes: tuple[str, ...]) -> nn.Module:
    return Brightness(classes[:2])


def failing(classes: tuple[str, ...]) -> nn.Module:
    return nn.Linear(3, 3)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> str:
    """The module with these functions, by the name that users write."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return "python:test_teacher"


@pytest.fixture
def digits(tools: Any) -> ImageDataset:
    dataset: ImageDataset = tools.digits()
    return dataset


def trained(tools: Any, dataset: ImageDataset, **changes: Any) -> tuple[str, nn.Module]:
    """Write a network for a data set; return its file, and the network in evaluation mode."""
    facts = ModelFacts(
        CellBlueprint(tools.genotype(), tools.skeleton),
        dataset.classes,
        1,
        dataset.image_size,
        dataset.mean,
        dataset.std,
    )
    facts = replace(facts, **changes)
    torch.manual_seed(5)
    network = facts.build()
    network(torch.randn(32, 1, facts.image_size, facts.image_size))
    path = tools.path / "teacher.safetensors"
    save_model(path, network, facts)
    return str(path), load_model(path)[0]


def batch(dataset: ImageDataset) -> torch.Tensor:
    loader = Loader(
        dataset.train,
        None,
        batch_size=8,
        mean=dataset.mean,
        std=dataset.std,
        image_size=dataset.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
    )
    return next(loader.batches(0)).images


def test_distance_by_hand() -> None:
    """Two classes: p = sigmoid((z1 - z0) / T) for the teacher, q likewise; T^2 times the divergence."""
    outputs, teacher, temperature = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 3.0]]), 2.0
    p, q = 1 / (1 + math.exp(-3 / 2)), 1 / (1 + math.exp(-1 / 2))
    wanted = 4 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    found = Classification(2).distance(outputs, teacher, temperature)
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    twice = Classification(2).distance(outputs.repeat(3, 1), teacher.repeat(3, 1), temperature)
    assert float(twice) == pytest.approx(wanted, rel=1e-5)


def test_a_step_against_the_gradient_by_hand(tools: Any, digits: ImageDataset) -> None:
    """One step of plain descent: the weights move by -lr times the gradient of the mixed loss."""
    path, teacher = trained(tools, digits)
    network, twin = tools.network(7), tools.network(7)
    settings = TeacherSettings(weight=0.3, temperature=3.0)
    optim = OptimSettings(lr=0.1, schedule="linear", momentum=0, weight_decay=0, clip=0)
    loader = Loader(
        digits.train,
        None,
        batch_size=16,
        mean=digits.mean,
        std=digits.std,
        image_size=8,
        seed=0,
        shuffle=True,
        augmentation=PLAIN,
    )
    fit = Fit(
        network,
        loader,
        Classification(10),
        epochs=1,
        optim=optim,
        keeping=Keeping(tools.folder()),
        distillation=Distillation(open_teacher(path, digits), settings),
    )
    images, labels = next(fit.train.stream(0))[:2]
    fit.step(next(fit.train.stream(0)))
    twin.train()
    outputs = twin(images)
    with torch.no_grad():
        wanted = (teacher(images) / 3).softmax(1)
    divergence = (wanted * (wanted.log() - (outputs / 3).log_softmax(1))).sum(1).mean()
    loss = 0.7 * F.cross_entropy(outputs, labels) + 0.3 * 9 * divergence
    loss.backward()
    for after, before in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(after.detach(), before.detach() - 0.1 * before.grad, atol=1e-5, rtol=1e-4)


def test_a_teacher_reads_what_it_was_trained_on(tools: Any, digits: ImageDataset) -> None:
    """Of another normalisation, and with its classes in another order."""
    order = [3, 0, 9, 1, 8, 2, 7, 4, 6, 5]
    classes = tuple(digits.classes[number] for number in order)
    path, network = trained(tools, digits, mean=(0.1,), std=(0.9,), classes=classes)
    images = batch(digits)
    pixels = images * digits.std[0] + digits.mean[0]
    wanted = network((pixels - 0.1) / 0.9)
    found = open_teacher(path, digits)(images)
    for ours, name in enumerate(digits.classes):
        torch.testing.assert_close(found[:, ours], wanted[:, classes.index(name)])


def test_a_teacher_of_another_size(tools: Any, digits: ImageDataset) -> None:
    path, network = trained(tools, digits, image_size=16)
    images = batch(digits)
    larger = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(open_teacher(path, digits)(images), network(larger))


def test_a_function_of_the_user(own: str, digits: ImageDataset) -> None:
    """It reads values from 0 to 1."""
    teacher, images = open_teacher(f"{own}:Brightness", digits), batch(digits)
    mean = (images * digits.std[0] + digits.mean[0]).mean((1, 2, 3))
    torch.testing.assert_close(teacher(images), mean[:, None] * torch.arange(1.0, 11))
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


@pytest.mark.slow
def test_a_model_of_timm(tools: Any, digits: ImageDataset) -> None:
    """From a file of weights: what timm itself computes for images normalised as timm's model wants."""
    timm = pytest.importorskip("autodas.optional_imports").import_timm()
    torch.manual_seed(1)
    model = timm.create_model("resnet10t", num_classes=10, in_chans=1).eval()
    file = tools.path / "weights.pth"
    torch.save({"state_dict": model.state_dict()}, file)
    teacher, images = open_teacher(f"timm:resnet10t#{file}", digits), batch(digits)
    facts = model.pretrained_cfg
    mean, std = (sum(facts[name]) / 3 for name in ("mean", "std"))
    pixels = images * digits.std[0] + digits.mean[0]
    size = facts["input_size"][-2:]
    wanted = model(F.interpolate((pixels - mean) / std, size, mode="bilinear", antialias=True))
    torch.testing.assert_close(teacher(images), wanted, atol=1e-4, rtol=1e-4)
    for name, message in (
        ("timm:resnet10t#nowhere.pth", "there is no file nowhere.pth"),
        ("timm:resnet_of_nobody", "cannot be opened by timm"),
        (f"timm:resnet18#{file}", "cannot be opened by timm"),
    ):
        with pytest.raises(AutodasError, match=message):
            open_teacher(name, digits)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a_number", "returns int, a torch.nn.Module is needed"),
        ("two_outputs", r"returns outputs of shape \(2, 2\) for two images; \(2, 10\) are needed"),
        ("failing", r"cannot compute images of shape \(1, 8, 8\): RuntimeError"),
    ],
)
def test_teachers_that_do_not_fit(own: str, digits: ImageDataset, name: str, message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        open_teacher(f"{own}:{name}", digits)


def test_a_teacher_of_other_classes(tools: Any, digits: ImageDataset) -> None:
    path, _ = trained(tools, digits, classes=(*digits.classes[:9], "ten"))
    with pytest.raises(AutodasError, match="does not know the class '9' of digits"):
        open_teacher(path, digits)


@pytest.mark.parametrize("setting", [{"weight": 0.0}, {"weight": 1.5}, {"temperature": 0.0}])
def test_settings_out_of_range(setting: dict[str, float]) -> None:
    with pytest.raises(AutodasError, match=f"teacher.{next(iter(setting))}="):
        TeacherSettings(**setting)


def training(tools: Any, name: str, teacher: Teacher, *, resume: bool = False) -> Training:
    folder = RunFolder(tools.path / name)
    return Training(
        CellBlueprint(tools.genotype(), tools.skeleton),
        tools.digits(),
        keeping=Keeping(folder if resume else folder.create(), every=1, resume=resume, quiet=True),
        epochs=2,
        batch_size=20,
        distillation=Distillation(teacher),
        evaluation=EvaluationPlan(),
    )


def test_a_stopped_run_goes_on_with_its_teacher_alone(
    tools: Any, digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same bits; another teacher is refused."""
    path, _ = trained(tools, digits)
    whole = training(tools, "whole", open_teacher(path, digits))
    whole.run()
    stopped = training(tools, "stopped", open_teacher(path, digits))
    fit, step = stopped.fit, stopped.fit.step

    def stop_in_the_second_epoch(data: Any) -> None:
        if fit.iteration == len(fit.train) + 1:
            raise KeyboardInterrupt
        step(data)

    monkeypatch.setattr(fit, "step", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    other = Teacher(Brightness(digits.classes), digits, mean=(0,), std=(1,))
    with pytest.raises(AutodasError, match="the teacher has changed since this run was started"):
        training(tools, "stopped", other, resume=True)
    resumed = training(tools, "stopped", open_teacher(path, digits), resume=True)
    resumed.run()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name


def test_distances_of_other_tasks_by_hand() -> None:
    """Two labels: the mean of T^2 times the divergence of both; numbers: the loss, in standard deviations."""

    def divergence(z: float, y: float) -> float:
        p, q = 1 / (1 + math.exp(-z / 2)), 1 / (1 + math.exp(-y / 2))
        return 4 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))

    labels = Multilabel(("a", "b"))
    found = labels.distance(torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 0.5]]), 2.0)
    assert float(found) == pytest.approx((divergence(3, 1) + divergence(0.5, -2)) / 2, rel=1e-5)
    assert float(labels.distance(found.view(1, 1), found.view(1, 1), 2.0)) == pytest.approx(0, abs=1e-6)
    numbers = Regression(("x",), mean=(10.0,), std=(5.0,))  # a teacher answers in the units of the data
    assert float(numbers.distance(torch.tensor([[1.0]]), torch.tensor([[25.0]]), 2.0)) == pytest.approx(4)


def test_probabilities_and_back() -> None:
    outputs = torch.tensor([[1.0, -2.0, 0.5]])
    labels = Multilabel(("a", "b", "c"))
    torch.testing.assert_close(labels.from_probabilities(labels.probabilities(outputs)), outputs)
    classes = Classification(3)
    again = classes.from_probabilities(classes.probabilities(outputs))
    torch.testing.assert_close(again.diff(), outputs.diff())
    with pytest.raises(AutodasError, match="the network answers numbers"):
        Regression(("x",), mean=(0.0,), std=(1.0,)).probabilities(outputs)


def test_a_teacher_of_another_task(tools: Any, digits: ImageDataset) -> None:
    path, _ = trained(tools, digits, task_facts={"name": "multilabel"})
    with pytest.raises(AutodasError, match="was trained for multilabel, but the task is classification"):
        open_teacher(path, digits)
