"""Embeddings: vectors that are close for samples of one identity, for retrieval and re-identification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import ImageDataset, Sampler, of_identities
from autodas.errors import AutodasError
from autodas.limits import MOST_CLASSES
from autodas.loop.tasks._files import vectors, write_table
from autodas.loop.tasks._identity_meter import IdentityMeter
from autodas.loop.tasks._merging import clips_together, of_samples, several_clips
from autodas.loop.tasks._retrieval_evaluation import RANKS, RetrievalEvaluation
from autodas.loop.tasks._task import Task
from autodas.loop.tasks._words import with_interval
from autodas.networks import IdentityHead, rescale_outputs
from autodas.optional_imports import import_optional
from autodas.reading import Fields, Whole
from autodas.runs.folder import RunFolder
from autodas.runs.scores import SCORES
from autodas.settings import EmbeddingSettings, OptimSettings


@dataclass(frozen=True)
class Embedding(Task[RetrievalEvaluation]):
    r"""Embeddings: identity and triplet loss, retrieval by cosine, mean average precision.

    The loss is the cross entropy of the trained identities, given by a linear layer on the normalised
    embedding (batch normalisation, Luo et al. 2019), plus the mean over the batch of
    :math:`\max(0, m + d_p - d_n)` with the distances of a sample from the farthest one of its identity and
    from the nearest one of another (Hermans et al. 2017). The distance is that of vectors of length 1, so
    :math:`d^2 = 2 - 2 \cos`. Triplets are of one batch, of several processes or parts of a batch each of its
    own. At the end the normalisation is folded into the embedding, and the layer of the identities removed:
    the network of a model file answers vectors.

    Args:
        identities: number of trained identities.
        settings: size of the vectors, margin and samples of an identity in a batch.
        label_smoothing: share of the target that is spread over all identities in training.
    """

    identities: int
    settings: EmbeddingSettings = EmbeddingSettings()  # noqa: RUF009 - frozen
    label_smoothing: float = 0.0

    name = "embedding"
    metrics = ("loss", "identities")
    evaluated = ("map", *(f"rank{k}" for k in RANKS))
    score, score_words, _ = SCORES["embedding"]
    forms: ClassVar[Mapping[str, str]] = {
        "loss": "loss {:.3f}",
        "identities": "identities {:.1f} %",
        "map": "mAP {:.1f} %",
        "rank1": "rank-1 {:.1f} %",
    }
    in_words_only = ("standard_error",)
    ranked = False

    @classmethod
    def of(
        cls, dataset: ImageDataset, optim: OptimSettings, embedding: EmbeddingSettings | None = None
    ) -> Embedding:
        """Return the task for a data set."""
        if dataset.options.balance != "none":
            raise AutodasError("`data.balance` is for classes, but the task is embedding: omit it")
        import_optional("pytorch_metric_learning", "embedding")
        return cls(len(dataset.classes), embedding or EmbeddingSettings(), optim.label_smoothing)

    @classmethod
    def from_facts(cls, classes: tuple[str, ...], facts: Mapping[str, Any]) -> Embedding:
        """Return the task of a trained network."""
        Fields({"dimensions": Whole(1, MOST_CLASSES)}).check(facts, "task")
        return cls(len(classes), EmbeddingSettings(facts["dimensions"]))

    def facts(self) -> dict[str, Any]:
        """Return the name and the size of the vectors."""
        return {"name": self.name, "dimensions": self.settings.dimensions}

    @property
    def outputs(self) -> int:
        """The size of the vectors."""
        return self.settings.dimensions

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """The names of the numbers of a vector."""
        return tuple(f"e{number}" for number in range(self.outputs))

    @property
    def sampler(self) -> Sampler:
        """Order of the samples that train the weights: groups of samples of one identity."""
        return of_identities(self.settings.samples)

    def check_batch(self, size: int) -> None:
        """Raise AutodasError unless a batch is at least two groups of samples of an identity."""
        group = self.settings.samples
        if size % group or size < 2 * group:
            raise AutodasError(
                f"`batch_size={size}` must be a multiple of `embedding.samples={group}`, at least {2 * group}"
            )

    def equip(self, network: nn.Module) -> None:
        """Add the layer of the identities."""
        assert isinstance(network.classifier, nn.Linear)
        network.classifier = IdentityHead(network.classifier, self.identities)

    def finish(self, network: nn.Module, held_out: Callable[[], RetrievalEvaluation] | None) -> Embedding:
        """Fold the normalisation into the embedding, and remove the layer of the identities."""
        head = network.classifier
        assert isinstance(head, IdentityHead)
        network.classifier = head.embedding
        rescale_outputs(network, *head.scale_and_shift())
        return self

    @cached_property
    def _triplet_loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        from pytorch_metric_learning import losses, miners, reducers

        hardest = miners.BatchHardMiner()
        loss = losses.TripletMarginLoss(self.settings.margin, reducer=reducers.MeanReducer())

        def of(embeddings: Tensor, identities: Tensor) -> Tensor:
            value: Tensor = loss(embeddings, identities, hardest(embeddings, identities))
            return value

        return of

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss: of triplets, and of identities if the outputs have their logits."""
        identities, size = targets[:, 0], self.settings.dimensions
        total = self._triplet_loss(outputs[:, :size], identities)
        if outputs.shape[1] > size:
            total = total + F.cross_entropy(
                outputs[:, size:], identities, label_smoothing=self.label_smoothing
            )
        return total

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the mean of 1 - cos of the vectors of both networks; T has no effect."""
        return 1 - F.cosine_similarity(outputs[:, : self.settings.dimensions], teacher).mean()

    def meter(self, device: torch.device | str = "cpu") -> IdentityMeter:
        """Return running sums of loss and right identities."""
        return IdentityMeter(self.settings.dimensions, device)

    def noise(self, count: int, device: torch.device | str) -> Tensor:
        """Return random identities."""
        found = torch.zeros((count, 3), dtype=torch.int64, device=device)
        found[:, 0] = torch.randint(self.identities, (count,), device=device)
        return found

    def evaluation(
        self,
        metrics: Mapping[str, float],
        outputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        clips: int | None,
    ) -> RetrievalEvaluation:
        """Return the result; the vector of a video is the mean of those of its clips."""
        if several_clips(indices, clips):
            samples, place, counts = torch.unique(indices, return_inverse=True, return_counts=True)
            sums = outputs.new_zeros((len(samples), outputs.shape[1])).index_add_(0, place, outputs)
            outputs, targets = sums / counts[:, None], of_samples(targets, place, counts)
            indices = samples
        return RetrievalEvaluation(outputs=outputs, targets=targets, indices=indices, clips=clips)

    def fuse(self, evaluations: Sequence[RetrievalEvaluation]) -> RetrievalEvaluation:
        """Return the evaluation of an ensemble: vectors one after the other, so that cosines are averaged."""
        first = evaluations[0]
        orders = [evaluation.indices.argsort() for evaluation in evaluations]
        pairs = list(zip(evaluations, orders, strict=True))
        indices = first.indices[orders[0]]
        if any(not torch.equal(each.indices[order], indices) for each, order in pairs):
            raise AutodasError("the networks were evaluated on different samples: they cannot be fused")
        return replace(
            first,
            outputs=torch.cat([F.normalize(each.outputs[order], dim=1) for each, order in pairs], dim=1),
            targets=first.targets[orders[0]],
            indices=indices,
            clips=clips_together(evaluations),
        )

    def remarks(self, found: RetrievalEvaluation, train_score: float | None = None) -> list[str]:
        """Return a remark if retrieval is no better than a random order."""
        if found.interval is None or found.interval[0] > found.chance:
            return []
        return [f"no better than a random order, whose mAP is about {found.chance:.1f} %"]

    def write(self, found: RetrievalEvaluation, folder: RunFolder, dataset: ImageDataset) -> None:
        """Write ``predictions.parquet``: labels and the vector of each test sample."""
        identity, camera, role = found.targets.numpy().T
        columns = {"identity": identity, "camera": camera, "role": role, "embedding": vectors(found.outputs)}
        write_table(folder, found, dataset, columns)

    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return the mean average precision with its uncertainty, and the ranks."""
        ranks = ", ".join(f"rank-{k} {summary[f'rank{k}']:.1f} %" for k in RANKS)
        return f"test mAP: {with_interval(summary, 'map')}; chance {summary['chance']:.1f} %; {ranks}"

    def predict(self, outputs: Tensor, top: int | None) -> list[dict[str, Any]]:
        """Return the vector of length 1, the mean over the views."""
        if top is not None:
            raise AutodasError("`top` is for classes, but the network answers a vector: omit it")
        vector = F.normalize(outputs.double().mean(0), dim=0).tolist()
        return [dict(zip(self.prediction_columns, vector, strict=True))]

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Raise AutodasError: the answer is a vector."""
        raise AutodasError("`probabilities` is for classes, but the network answers a vector: omit it")

    def from_probabilities(self, probabilities: Tensor) -> Tensor:
        """Raise AutodasError: the answer is a vector."""
        return self.probabilities(probabilities)

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return the numbers of the vector."""
        return " ".join(f"{value:.4f}" for value in prediction[0].values())
