"""Which frames clips are made of, against indices worked out by hand."""

from __future__ import annotations

import pytest
import torch

from autodas.data import Clips
from autodas.data._random import AUGMENTATION, sample_keys
from autodas.errors import AutodasError


def test_twenty_clips_of_a_video_of_100_frames() -> None:
    # 100 - 16 = 84 frames of room; clip i begins at floor(84 i / 19).
    starts = [0, 4, 8, 13, 17, 22, 26, 30, 35, 39, 44, 48, 53, 57, 61, 66, 70, 75, 79, 84]
    clips = Clips(16)
    for number, start in enumerate(starts):
        assert clips.evaluation(100, number, 20) == list(range(start, start + 16))


def test_first_and_last_frame_are_seen() -> None:
    clips = Clips(16)
    assert clips.evaluation(250, 0, 20)[0] == 0
    assert clips.evaluation(250, 19, 20)[-1] == 249


@pytest.mark.parametrize(("count", "start"), [(16, 0), (17, 0), (18, 1), (100, 42)])
def test_a_single_clip_is_the_middle(count: int, start: int) -> None:
    assert Clips(16).evaluation(count, 0, 1) == list(range(start, start + 16))


def test_short_videos_are_looped() -> None:
    assert Clips(8).evaluation(3, 0, 1) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert Clips(8).evaluation(3, 19, 20) == [0, 1, 2, 0, 1, 2, 0, 1]
    key = sample_keys(AUGMENTATION, 0, 0, torch.tensor(0))
    assert Clips(4).training(1, key) == [0, 0, 0, 0]
    # A clip of 4 frames, 3 apart, spans 10 frames.
    assert Clips(4, 3).span() == 10
    assert Clips(4, 3).evaluation(8, 0, 1) == [0, 3, 6, 1]


def test_step() -> None:
    # 3 frames, 4 apart, span 9: 20 - 9 = 11 frames of room, the last of 3 clips begins at 11.
    clips = Clips(3, 4)
    assert [clips.evaluation(20, i, 3) for i in range(3)] == [[0, 4, 8], [5, 9, 13], [11, 15, 19]]


def test_training_clips_do_not_overlap_and_are_all_drawn() -> None:
    clips = Clips(16)
    keys = sample_keys(AUGMENTATION, 3, 0, torch.arange(400))
    drawn = [clips.training(70, key) for key in keys]
    # 70 frames hold four clips of 16; the last 6 frames are left over.
    starts = {0: 0, 16: 0, 32: 0, 48: 0}
    for numbers in drawn:
        assert numbers == list(range(numbers[0], numbers[0] + 16))
        starts[numbers[0]] += 1
    # 100 each are expected, with a standard deviation of 8.7.
    assert min(starts.values()) > 65
    assert len(starts) == 4


def test_training_clips_follow_from_seed_epoch_and_index() -> None:
    clips = Clips(16)
    index = torch.tensor([5])
    one, same, epoch, seed = (
        [clips.training(10_000, k) for k in sample_keys(AUGMENTATION, s, e, index)]
        for s, e in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert one == same
    assert one != epoch
    assert one != seed


@pytest.mark.parametrize("values", [{"frames": 0}, {"frames": 16, "step": 0}])
def test_out_of_range(values: dict[str, int]) -> None:
    with pytest.raises(AutodasError, match="at least 1, found 0"):
        Clips(**values)
