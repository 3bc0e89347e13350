"""Accuracies reported at the end of a search, with the weights of the search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from autodas.data import Loader
from autodas.genotype import Genotype
from autodas.loop import ALONE, Group
from autodas.loop.tasks import Evaluation, Task
from autodas.supernet import CellMixture, Supernet, genotype_mixture, reestimate_statistics


@dataclass(frozen=True)
class SearchAccuracies:
    """Scores of the task in percent on the validation half, in evaluation mode (SDAS, table 2).

    Attributes:
        relaxed: score before derivation (SDAS: before its last step).
        discrete: score of the final network, with the running statistics of the search.
        reestimated: the same with statistics re-estimated on the training half.
        rebuilt: score of the network built from ``genotype.json`` with copied weights.
        rebuilt_equal: whether its logits equal those of the reference supernet bit for bit.
        count: number of validation samples.
        task: task of the network.
    """

    relaxed: float
    discrete: float
    reestimated: float
    rebuilt: float
    rebuilt_equal: bool
    count: int
    task: Task[Any] = field(repr=False, compare=False)

    @property
    def error(self) -> float | None:
        """Standard error of the discrete score, in percentage points; ``None`` if it is unknown."""
        return self.task.error(self.discrete, self.count)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the discrete score, in percent; ``None`` if it is unknown."""
        return self.task.interval(self.discrete, self.count)

    def to_dict(self) -> dict[str, Any]:
        """Return the accuracies as plain data."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "task"}
        return {**values, "standard_error": self.error, "interval": self.interval and list(self.interval)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], task: Task[Any]) -> SearchAccuracies:
        """Return the accuracies from the plain data of :meth:`to_dict`; other entries are ignored."""
        return cls(**{f.name: facts[f.name] for f in fields(cls) if f.name != "task"}, task=task)


def evaluate_mixture(
    supernet: Supernet,
    mixture: dict[str, CellMixture],
    loader: Loader,
    task: Task[Any],
    group: Group = ALONE,
) -> Evaluation:
    """Evaluate a supernet under a mixture in single precision, and leave it in evaluation mode."""
    supernet.eval()
    return _evaluate(lambda images: supernet(images, mixture), loader, task, group)


def _evaluate(
    forward: Callable[[Tensor], Tensor], loader: Loader, task: Task[Any], group: Group
) -> Evaluation:
    collect = group.in_turn if loader.shared else None
    evaluation: Evaluation = task.evaluate(forward, loader.batches(0), collect)
    return evaluation


@torch.no_grad()
def reestimated_score(
    supernet: Supernet,
    mixture: dict[str, CellMixture],
    validation: Loader,
    training: Loader,
    task: Task[Any],
    group: Group = ALONE,
) -> float:
    """Evaluate a supernet under a mixture, with running statistics of that mixture; they are put back after.

    Without this, a discrete architecture is evaluated with statistics of the sums of all candidates, and most
    of them appear to be equally bad.

    Args:
        supernet: supernet with the weights of the search; it is left in evaluation mode.
        mixture: the mixture.
        validation: samples to evaluate on.
        training: samples to estimate the statistics on, without augmentation.
        task: task of the network.
        group: the processes, which share the samples to evaluate on.
    """
    before = {name: tensor.clone() for name, tensor in supernet.named_buffers()}
    images = (batch.images for batch in training.batches(0))
    reestimate_statistics(supernet, lambda each: supernet(each, mixture), images)
    score = evaluate_mixture(supernet, mixture, validation, task, group).score
    for name, tensor in supernet.named_buffers():
        tensor.copy_(before[name])
    return score


@torch.no_grad()
def final_accuracies(
    supernet: Supernet,
    genotype: Genotype,
    relaxed: float,
    validation: Loader,
    training: Loader,
    task: Task[Any],
    group: Group = ALONE,
) -> SearchAccuracies:
    """Evaluate a supernet that has been pruned to a genotype.

    Afterwards its running statistics are the re-estimated ones.

    Args:
        supernet: supernet with the weights of the search.
        genotype: genotype as read back from its file.
        relaxed: accuracy before derivation, in percent.
        validation: the validation half, without augmentation.
        training: the training half in random order, without augmentation.
        task: task of the network.
        group: the processes, which share the samples to evaluate on.
    """
    device = next(supernet.parameters()).device
    mixture = genotype_mixture(genotype, supernet.space.cell, device)
    discrete = evaluate_mixture(supernet, mixture, validation, task, group)
    network = supernet.extract(genotype).eval()
    rebuilt = _evaluate(network, validation, task, group)
    with supernet.computed_by("reference"):
        reference = evaluate_mixture(supernet, mixture, validation, task, group)

    def images() -> Iterable[Tensor]:
        for batch in training.batches(0):
            yield batch.images

    reestimate_statistics(supernet, lambda images: supernet(images, mixture), images())
    reestimated = evaluate_mixture(supernet, mixture, validation, task, group)
    return SearchAccuracies(
        relaxed,
        discrete.score,
        reestimated.score,
        rebuilt.score,
        torch.equal(rebuilt.outputs, reference.outputs),
        discrete.count,
        task,
    )
