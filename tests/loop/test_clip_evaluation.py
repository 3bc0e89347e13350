"""Scores of several clips of a video, and of several networks, against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.data.videos import write_classes
from torch import Tensor

from autodas.data import Batch, Loader, open_dataset
from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.loop.tasks import ClassEvaluation, Classification
from autodas.networks import CellBlueprint
from autodas.spaces import get_skeleton
from autodas.training.fit import evaluate_network

TASK = Classification(3)


def log(*probabilities: float) -> list[float]:
    """Logits of probabilities; a summand that all have in common does not matter."""
    return [math.log(p) + 3 for p in probabilities]


def batches(rows: list[tuple[int, int, list[float]]], size: int) -> Iterator[Batch]:
    """Clips (1, 1, 1, classes) that are logits themselves, from (video, label, logits)."""
    for start in range(0, len(rows), size):
        indices, labels, logits = zip(*rows[start : start + size], strict=True)
        clips = torch.tensor(logits, dtype=torch.float64)[:, None, None, None]
        yield Batch(clips, torch.tensor(labels), torch.tensor(indices))


def logits_of(clips: Tensor) -> Tensor:
    return clips[:, 0, 0, 0]


# Three videos of two clips.
ROWS = [
    (4, 0, log(0.9, 0.05, 0.05)),
    (4, 0, log(0.3, 0.4, 0.3)),  # together 0.6, 0.225, 0.175: right
    (7, 1, log(0.5, 0.4, 0.1)),
    (7, 1, log(0.1, 0.4, 0.5)),  # together 0.3, 0.4, 0.3: right, though both clips are wrong
    (2, 2, log(0.3, 0.3, 0.4)),
    (2, 2, log(0.05, 0.5, 0.45)),  # together 0.175, 0.4, 0.425: right
]
MEANS = {4: [0.6, 0.225, 0.175], 7: [0.3, 0.4, 0.3], 2: [0.175, 0.4, 0.425]}


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
def test_clips_and_videos_apart(size: int) -> None:
    found = TASK.evaluate(logits_of, batches(ROWS, size))
    assert (found.clips, found.count) == (6, 3)
    # By themselves the first clip of the first and of the last video are right, and no other.
    assert found.clip_top1 == pytest.approx(100 * 2 / 6)
    assert found.top1 == 100.0
    assert found.top5 is None  # of three classes
    # The loss is that of the mean probabilities of the labels: 0.6, 0.4, 0.425.
    assert found.loss == pytest.approx(-(math.log(0.6) + math.log(0.4) + math.log(0.425)) / 3)
    assert found.indices.tolist() == [2, 4, 7]
    assert found.labels.tolist() == [2, 0, 1]
    assert torch.allclose(found.logits.exp(), torch.tensor([MEANS[i] for i in (2, 4, 7)]))
    summary = found.summary()
    assert summary["video_top1"] == summary["top1"] == 100.0
    assert summary["clip_top1"] == found.clip_top1
    assert (summary["clips"], summary["count"]) == (6, 3)
    # Three right of three: the interval is that of videos, not of clips.
    assert summary["interval"] == pytest.approx([100 * 3 / (3 + 1.959964**2), 100.0])


def test_a_wrong_video() -> None:
    rows = [*ROWS, (0, 2, log(0.1, 0.2, 0.7)), (0, 2, log(0.9, 0.05, 0.05))]
    found = TASK.evaluate(logits_of, batches(rows, 3))
    assert found.clip_top1 == pytest.approx(100 * 3 / 8)
    assert found.top1 == 75.0
    assert found.error == pytest.approx(100 * math.sqrt(0.75 * 0.25 / 4 + 1 / 64) / (5 / 4))


def test_videos_with_different_numbers_of_clips() -> None:
    """Each clip of a video counts the same."""
    found = TASK.evaluate(logits_of, batches(ROWS[:3], 2))
    assert found.indices.tolist() == [4, 7]
    assert torch.allclose(found.logits.exp(), torch.tensor([MEANS[4], [0.5, 0.4, 0.1]]))
    assert found.top1 == 50.0


def test_one_clip_a_video() -> None:
    found = TASK.evaluate(logits_of, batches(ROWS[::2], 2))
    assert (found.clips, found.count) == (3, 3)
    assert found.clip_top1 == found.top1 == pytest.approx(100 * 2 / 3)
    # Nothing is averaged: logits and order are those of the loader.
    assert found.indices.tolist() == [4, 7, 2]
    assert torch.equal(found.logits, torch.tensor([row[2] for row in ROWS[::2]]))


def test_images_have_no_clips() -> None:
    images = [Batch(torch.rand(2, 1, 3, 3), torch.tensor([0, 1]), torch.tensor([0, 1]))]
    found = TASK.evaluate(lambda x: x[:, 0, 0], images)
    assert found.clips is None
    assert found.clip_top1 is None
    assert not {"video_top1", "clip_top1", "clips"} & found.summary().keys()


@pytest.mark.parametrize("logit", [138.0, 5000.0])
def test_confident_clips_stay_finite(logit: float) -> None:
    """The label has a probability of exp(-logit) in both clips: too small to be written down."""
    found = TASK.evaluate(
        logits_of, batches([(0, 1, [logit, 0.0]), (0, 1, [logit, 0.0]), (1, 0, [1.0, 0.0])], 2)
    )
    assert found.loss == pytest.approx((logit + math.log(1 + math.exp(-1))) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [4, 64])
def test_a_network_on_several_clips_equals_a_slow_loop(batch_size: int, tmp_path: Path) -> None:
    """Through real batches of real files; where batches are small, clips of one video lie in two of them."""
    cell = CellGenotype(
        ((Edge("sep3d_conv_3x3x3", 0), Edge("skip_connect", 1)), (Edge("max_pool_3x3x3", 0),)), (2, 3)
    )
    genotype = Genotype(dict.fromkeys(("normal", "s_reduction", "st_reduction"), cell), name="tiny")
    torch.manual_seed(0)
    network = CellBlueprint(genotype, get_skeleton("video").with_size(0, 4, 8)).build(classes=2, channels=3)
    root = write_classes(tmp_path, train=2, test=4, frames=14)
    data = open_dataset(f"videofolder:{root}", frames=4, image_size=16)
    normalisation = {"mean": data.mean, "std": data.std}
    loader = Loader(
        data.test,
        None,
        batch_size=batch_size,
        **normalisation,
        image_size=16,
        seed=0,
        shuffle=False,
        augmentation=None,
        views=5,
    )
    found = evaluate_network(network, loader, Classification(2))
    right = clips_right = 0
    for index, label in enumerate(data.test.labels):
        scores = torch.zeros(2, dtype=torch.float64)
        for pixels in data.test.evaluation_views(index, range(5), 5):
            clip = (torch.from_numpy(pixels) / 255 - torch.tensor(data.mean)) / torch.tensor(data.std)
            with torch.no_grad():
                probabilities = network(clip.permute(3, 0, 1, 2)[None])[0].double().softmax(0)
            scores += probabilities / 5
            clips_right += int(probabilities.argmax() == label)
        right += int(scores.argmax() == label)
        assert torch.allclose(found.logits[index].double().exp(), scores, atol=1e-5)
    assert (found.count, found.clips) == (8, 40)
    assert found.top1 == pytest.approx(100 * right / 8)
    assert found.clip_top1 == pytest.approx(100 * clips_right / 40)


class TestFuse:
    def evaluation(self, rows: list[tuple[int, int, list[float]]], clips: int | None = 6) -> ClassEvaluation:
        indices, labels, logits = zip(*rows, strict=True)
        return ClassEvaluation(
            outputs=torch.tensor(logits),
            targets=torch.tensor(labels),
            indices=torch.tensor(indices),
            clips=clips,
            loss=0.0,
            top1=0.0,
            top5=0.0,
        )

    def test_by_hand(self) -> None:
        one = self.evaluation([(0, 0, log(0.6, 0.4)), (1, 1, log(0.55, 0.45)), (2, 1, log(0.9, 0.1))])
        # The same videos in another order, of other clips.
        two = self.evaluation([(2, 1, log(0.3, 0.7)), (1, 1, log(0.35, 0.65)), (0, 0, log(0.2, 0.8))], 9)
        found = TASK.fuse([one, two])
        # 0: 0.4, 0.6 wrong; 1: 0.45, 0.55 right; 2: 0.6, 0.4 wrong.
        assert torch.allclose(found.logits.exp(), torch.tensor([[0.4, 0.6], [0.45, 0.55], [0.6, 0.4]]))
        assert found.top1 == pytest.approx(100 / 3)
        assert found.loss == pytest.approx(-(math.log(0.4) + math.log(0.55) + math.log(0.4)) / 3)
        assert found.indices.tolist() == [0, 1, 2]
        assert found.labels.tolist() == [0, 1, 1]
        assert (found.count, found.clips, found.clip_top1) == (3, 15, None)
        assert "clip_top1" not in found.summary()
        assert torch.allclose(TASK.fuse([two, one]).logits, found.logits)

    def test_with_itself(self) -> None:
        one = TASK.evaluate(logits_of, batches(ROWS, 2))
        twice = TASK.fuse([one, one, one])
        assert (twice.top1, twice.loss) == (one.top1, pytest.approx(one.loss))
        assert torch.allclose(twice.logits, one.logits)

    def test_of_images(self) -> None:
        one = self.evaluation([(0, 0, log(0.6, 0.4)), (1, 1, log(0.7, 0.3))], None)
        two = self.evaluation([(0, 0, log(0.6, 0.4)), (1, 1, log(0.2, 0.8))], None)
        found = TASK.fuse([one, two])
        assert found.clips is None
        assert found.top1 == 100.0

    def test_different_samples(self) -> None:
        one = self.evaluation([(0, 0, log(0.6, 0.4)), (1, 1, log(0.7, 0.3))])
        for rows in (
            [(0, 0, log(0.6, 0.4))],
            [(0, 0, log(0.6, 0.4)), (2, 1, log(0.6, 0.4))],
            [(0, 0, log(0.6, 0.4)), (1, 0, log(0.6, 0.4))],  # of another set
        ):
            with pytest.raises(AutodasError, match="different samples"):
                TASK.fuse([one, self.evaluation(rows)])

    def test_different_classes(self) -> None:
        one = self.evaluation([(0, 0, log(0.6, 0.4))])
        with pytest.raises(AutodasError, match="2 and 3 classes"):
            TASK.fuse([one, replace(one, outputs=torch.zeros(1, 3))])
