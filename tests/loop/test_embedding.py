"""Embeddings: retrieval against brute force, losses and normalisation by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn import functional as F

from autodas.data.batches._samplers import of_identities
from autodas.errors import AutodasError
from autodas.loop.tasks import Embedding, RetrievalEvaluation, rank
from autodas.networks import IdentityHead
from autodas.settings import EmbeddingSettings


def labels(*rows: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(rows)


def angles(*degrees: float) -> torch.Tensor:
    """Vectors in a plane: their order around the first one is that of the angles."""
    radians = torch.tensor(degrees).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], 1) * torch.arange(1.0, len(degrees) + 1)[:, None]


def test_market_protocol_by_hand() -> None:
    """One query of person 7, camera 1; the gallery in the order of the ranking.

    Left out: the same person in camera 1. Right are ranks 1 and 3 of what remains, so the average precision
    is (1/1 + 2/3) / 2.
    """
    found = rank(
        angles(0, 1, 2, 3, 4, 5),
        labels(
            (7, 1, 1),
            (7, 1, 2),  # own camera
            (7, 2, 2),  # rank 1
            (3, 1, 2),
            (7, 3, 2),  # rank 3
            (0, 2, 2),
        ),
    )
    assert found.precisions.tolist() == [pytest.approx((1 + 2 / 3) / 2)]
    assert found.firsts.tolist() == [0]
    assert found.chances.tolist() == [pytest.approx(2 / 4)]
    assert found.places.tolist() == [0]


def test_queries_without_anything_to_find_do_not_count() -> None:
    found = rank(angles(0, 1, 2), labels((1, 1, 1), (1, 1, 2), (2, 1, 2)))
    assert len(found.precisions) == 0
    evaluation = RetrievalEvaluation(
        outputs=angles(0, 1), targets=labels((1, -1, 0), (2, -1, 0)), indices=torch.arange(2)
    )
    with pytest.raises(AutodasError, match="none of the 2 evaluated samples can be found with another one"):
        _ = evaluation.metrics


def test_against_scikit_learn() -> None:
    """All samples are queries and gallery; without ties its average precision is the same number."""
    draw = np.random.default_rng(0)
    vectors = torch.from_numpy(draw.normal(size=(60, 5)))
    identities = draw.integers(0, 7, 60)
    targets = torch.from_numpy(np.stack([identities, np.full(60, -1), np.zeros(60, int)], 1))
    unit = F.normalize(vectors, dim=1)
    wanted, firsts = [], []
    for query in range(60):
        others = np.arange(60) != query
        scores = (unit @ unit[query]).numpy()[others]
        right = (identities == identities[query])[others]
        wanted.append(average_precision_score(right, scores))
        firsts.append(int(np.flatnonzero(right[np.argsort(-scores)])[0]))
    found = rank(vectors, targets)
    np.testing.assert_allclose(found.precisions, wanted, rtol=1e-12)
    assert found.firsts.tolist() == firsts
    evaluation = RetrievalEvaluation(outputs=vectors, targets=targets, indices=torch.arange(60))
    assert evaluation.metrics == {
        "map": pytest.approx(100 * np.mean(wanted)),
        "rank1": pytest.approx(100 * np.mean(np.array(firsts) < 1)),
        "rank5": pytest.approx(100 * np.mean(np.array(firsts) < 5)),
        "rank10": pytest.approx(100 * np.mean(np.array(firsts) < 10)),
    }
    assert evaluation.chance == pytest.approx(
        100 * np.mean([(np.sum(identities == one) - 1) / 59 for one in identities])
    )


def test_the_error_is_that_of_identities() -> None:
    """Queries of one identity are alike: with two identities of 0 and 100 % it is about 50 / sqrt(2)."""
    vectors = torch.cat([angles(0, 1, 2, 3), angles(90, 180, 270, 359.5)])
    targets = labels(*[(1, -1, 0)] * 4, *[(2, -1, 0)] * 4)
    evaluation = RetrievalEvaluation(outputs=vectors, targets=targets, indices=torch.arange(8))
    spread = evaluation.ranks.precisions.reshape(2, 4).mean(1)
    assert evaluation.error == pytest.approx(100 * abs(spread[0] - spread[1]) / 2 / math.sqrt(2), rel=0.15)


def test_losses_by_hand() -> None:
    """Four vectors, two identities, margin 0.3; distances of unit vectors are 2 sin(angle / 2)."""
    task = Embedding(2, EmbeddingSettings(2, margin=0.3, samples=2))
    outputs, targets = angles(0, 30, 40, 100), labels((0, -1, 0), (0, -1, 0), (1, -1, 0), (1, -1, 0))

    def distance(degrees: float) -> float:
        return 2 * math.sin(math.radians(degrees) / 2)

    hardest = [(30, 40), (30, 10), (60, 10), (60, 70)]
    triplets = sum(max(0, 0.3 + distance(p) - distance(n)) for p, n in hardest) / 4
    assert float(task.loss(outputs, targets)) == pytest.approx(triplets, rel=1e-5)
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    entropy = sum(math.log(1 + math.exp(-gap)) for gap in (1, 2, 1, 0)) / 4
    both = float(task.loss(torch.cat([outputs, logits], 1), targets))
    assert both == pytest.approx(triplets + entropy, rel=1e-5)


def test_the_normalisation_is_folded_into_the_network() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier: nn.Module = nn.Linear(6, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.classifier(x)
            return found

    torch.manual_seed(0)
    network, task = Net(), Embedding(3, EmbeddingSettings(4))
    task.equip(network)
    x = torch.randn(50, 6)
    assert network(x).shape == (50, 7)
    head = network.classifier
    assert isinstance(head, IdentityHead)
    with torch.no_grad():
        head.norm.weight.uniform_(0.5, 2)
        head.norm.bias.normal_()
    network.eval()
    wanted = network(x)
    torch.testing.assert_close(wanted, F.batch_norm(head.embedding(x), *_statistics(head), eps=head.norm.eps))
    task.finish(network, None)
    assert isinstance(network.classifier, nn.Linear)
    torch.testing.assert_close(network(x), wanted)


def _statistics(head: IdentityHead) -> tuple[Any, Any, Any, Any]:
    norm = head.norm
    return norm.running_mean, norm.running_var, norm.weight, norm.bias


def test_batches_have_groups_of_one_identity() -> None:
    """8 samples of each of 5 identities, in batches of 3 groups of 4, and one identity of 2 samples."""
    identities = np.repeat([10, 20, 30, 40, 50, 60], [8, 8, 8, 8, 8, 2])
    rows = np.stack([identities, np.zeros(42, int), np.zeros(42, int)], 1)
    sampler = of_identities(4)
    order = sampler(rows, 3, 1).numpy()
    assert len(order) == 42
    groups = identities[order[:40].reshape(10, 4)]
    assert (groups == groups[:, :1]).all()
    for start in range(0, 10 - 5, 6):  # an order of all six identities
        assert len(set(groups[start : start + 6, 0])) == 6
    assert len(np.unique(order[:24])) == 22  # those of the small identity are repeated
    assert np.array_equal(order, sampler(rows, 3, 1).numpy())
    assert not np.array_equal(order, sampler(rows, 3, 2).numpy())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimensions": 0}, "embedding.dimensions=0 must be at least 1"),
        ({"samples": 1}, "embedding.samples=1 must be at least 2"),
        ({"margin": 0}, r"embedding.margin=0 must lie in \(0, 2\]"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        EmbeddingSettings(**settings)


@pytest.mark.parametrize("size", [4, 30])
def test_batches_that_have_no_groups(size: int) -> None:
    with pytest.raises(AutodasError, match=f"batch_size={size}` must be a multiple of `embedding.samples=4`"):
        Embedding(2).check_batch(size)
