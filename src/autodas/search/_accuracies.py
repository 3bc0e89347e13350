"""The accuracies that a search reports at its end, with the weights of the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from autodas.data import Loader
from autodas.genotype import Genotype
from autodas.loop.tasks import Evaluation, Task
from autodas.supernet import CellMixture, Supernet, genotype_mixture, reestimate_statistics


@dataclass(frozen=True)
class SearchAccuracies:
    """The task's score in percent on the validation half, in evaluation mode (SDAS, table 2).

    Attributes:
        relaxed: before derivation (SDAS: before its last step).
        discrete: of the final network, with the running statistics that the search left.
        reestimated: the same with statistics estimated anew on the training half.
        rebuilt: of the network built from ``genotype.json`` with copied weights.
        rebuilt_equal: whether its logits equal the reference supernet's to the bit.
        count: number of validation pictures.
        task: what was asked of the network.
    """

    relaxed: float
    discrete: float
    reestimated: float
    rebuilt: float
    rebuilt_equal: bool
    count: int
    task: Task[Any] = field(repr=False, compare=False)

    @property
    def error(self) -> float:
        """Standard error of the discrete accuracy, in points."""
        return self.task.error(self.discrete, self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """What the discrete accuracy is worth: its 95 % interval, in percent."""
        return self.task.interval(self.discrete, self.count)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "task"}
        return {**found, "standard_error": self.error, "interval": list(self.interval)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], task: Task[Any]) -> SearchAccuracies:
        """Return what :meth:`to_dict` has made plain data of; other entries do not matter."""
        return cls(**{f.name: facts[f.name] for f in fields(cls) if f.name != "task"}, task=task)


def evaluate_mixture(
    supernet: Supernet, mixture: dict[str, CellMixture], loader: Loader, task: Task[Any]
) -> Evaluation:
    """Evaluate a supernet under a mixture, in single precision; it is left in evaluation mode."""
    supernet.eval()
    found: Evaluation = task.evaluate(lambda images: supernet(images, mixture), loader.batches(0))
    return found


@torch.no_grad()
def final_accuracies(
    supernet: Supernet,
    genotype: Genotype,
    relaxed: float,
    validation: Loader,
    training: Loader,
    task: Task[Any],
) -> SearchAccuracies:
    """Evaluate a supernet that has been pruned to a genotype.

    Its running statistics are those estimated anew afterwards.

    Args:
        supernet: with the weights of the search.
        genotype: as it was read back from its file.
        relaxed: accuracy before derivation, in percent.
        validation: the validation half, without augmentation.
        training: the training half, without augmentation.
        task: what is asked of the network.
    """
    device = next(supernet.parameters()).device
    mixture = genotype_mixture(genotype, supernet.space.cell, device)
    discrete = evaluate_mixture(supernet, mixture, validation, task)
    network = supernet.extract(genotype).eval()
    rebuilt: Evaluation = task.evaluate(network, validation.batches(0))
    with supernet.computed_by("reference"):
        reference = evaluate_mixture(supernet, mixture, validation, task)

    def pictures() -> Iterable[Tensor]:
        for batch in training.batches(0):
            yield batch.images

    reestimate_statistics(supernet, lambda images: supernet(images, mixture), pictures())
    reestimated = evaluate_mixture(supernet, mixture, validation, task)
    return SearchAccuracies(
        relaxed,
        discrete.score,
        reestimated.score,
        rebuilt.score,
        torch.equal(rebuilt.outputs, reference.outputs),
        discrete.count,
        task,
    )
