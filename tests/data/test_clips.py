"""Which frames clips are made of, against indices worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from autodas.data import Clips
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.frames._clock import Clock
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


def test_clips_on_the_grid_do_not_overlap_and_are_all_drawn() -> None:
    clips = Clips(16, starts="grid")
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


def test_random_starts_reach_the_ends_of_videos() -> None:
    clips = Clips(16)
    keys = sample_keys(AUGMENTATION, 3, 0, torch.arange(1_000))
    drawn = [clips.training(70, key) for key in keys]
    assert all(numbers == list(range(numbers[0], numbers[0] + 16)) for numbers in drawn)
    counts = np.bincount([numbers[0] for numbers in drawn], minlength=55)
    # 70 - 16 = 54 frames of room: 55 starts, 18 each are expected, with a standard deviation of 4.2.
    assert len(counts) == 55
    assert 3 <= counts.min() <= counts.max() <= 38
    # A clip that fits once, or not at all, begins with the first frame.
    assert {clips.training(count, key)[0] for key in keys[:50] for count in (3, 16)} == {0}


def test_frames_a_second_whatever_the_rate_of_the_video() -> None:
    # Four frames, a fifth of a second apart.
    clips = Clips(4, fps=5)
    assert clips.evaluation(100, 0, 2, Clock(25.0)) == [0, 5, 10, 15]
    assert clips.evaluation(100, 1, 2, Clock(25.0)) == [84, 89, 94, 99]
    # 0.2 s are 5.994 frames here: 0, 5.994, 11.988 and 17.982 frames after the first.
    assert clips.evaluation(100, 0, 2, Clock(29.97)) == [0, 6, 12, 18]
    # 2.4 frames each: the nearest to 0, 2.4, 4.8, 7.2.
    assert clips.evaluation(50, 0, 2, Clock(12.0)) == [0, 2, 5, 7]
    # A video of fewer frames a second shows each of them more than once: 0, 0.4, 0.8, 1.2.
    assert clips.evaluation(10, 0, 2, Clock(2.0)) == [0, 0, 1, 1]
    assert (clips.span(Clock(25.0)), clips.span(Clock(12.0))) == (16, 8)
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(500))
    for starts, expected in (("random", set(range(35))), ("grid", {0, 20})):
        drawn = [Clips(4, fps=5, starts=starts).training(50, key, Clock(25.0)) for key in keys]
        assert all(np.diff(numbers).tolist() == [5, 5, 5] for numbers in drawn)
        assert {numbers[0] for numbers in drawn} == expected


def test_sparse_clips_take_one_frame_of_each_stretch() -> None:
    clips = Clips(4, sampling="sparse")
    # 22 frames in four stretches: 0 to 4, 5 to 10, 11 to 15, 16 to 21.
    stretches = [range(5), range(5, 11), range(11, 16), range(16, 22)]
    seen: list[set[int]] = [set(), set(), set(), set()]
    for key in sample_keys(AUGMENTATION, 1, 0, torch.arange(300)):
        for found, number in zip(seen, clips.training(22, key), strict=True):
            found.add(number)
    assert [sorted(found) for found in seen] == [list(stretch) for stretch in stretches]
    # The middle of each; of three clips those at a sixth, a half and five sixths.
    assert clips.evaluation(22, 0, 1) == [2, 8, 13, 19]
    assert [clips.evaluation(22, i, 3) for i in range(3)] == [[0, 6, 11, 17], [2, 8, 13, 19], [4, 10, 15, 21]]
    # Frames are drawn apart from each other.
    drawn = {tuple(clips.training(400, k)) for k in sample_keys(AUGMENTATION, 1, 1, torch.arange(50))}
    assert len({tuple(np.diff(numbers)) for numbers in drawn}) > 40
    # Shorter than the clip: frames stand for their neighbours, in order.
    assert clips.evaluation(2, 0, 1) == [0, 0, 1, 1]
    assert clips.training(1, torch.tensor(5)) == [0, 0, 0, 0]


def test_the_clip_in_the_middle_of_a_part() -> None:
    # 25 frames from number 50 on; a clip of 5 begins 10 later.
    assert Clips(5).within(50, 25, 100) == [60, 61, 62, 63, 64]
    # A clip that is longer than its part reaches over it on both sides, but not out of the video.
    assert Clips(9).within(20, 5, 100) == list(range(18, 27))
    assert Clips(9).within(0, 5, 100) == list(range(9))
    assert Clips(9).within(95, 5, 100) == list(range(91, 100))
    assert Clips(4).within(0, 2, 2) == [0, 1, 0, 1]
    assert Clips(5, sampling="sparse").within(50, 25, 100) == [52, 57, 62, 67, 72]
    assert Clips(3, fps=10).within(0, 30, 90, Clock(30.0)) == [11, 14, 17]


@pytest.mark.parametrize("values", [{"frames": 0}, {"frames": 16, "step": 0}])
def test_out_of_range(values: dict[str, int]) -> None:
    with pytest.raises(AutodasError, match="at least 1, found 0"):
        Clips(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fps": 0.0}, "fps above 0"),
        ({"fps": math.nan}, "fps above 0"),
        ({"fps": 5.0, "step": 2}, "fps excludes steps"),
        ({"fps": 5.0, "sampling": "sparse"}, "fps excludes steps and sparse"),
        ({"sampling": "dens"}, "unknown sampling of clips 'dens'"),
        ({"starts": "anywhere"}, "unknown starts of clips 'anywhere'"),
    ],
)
def test_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        Clips(**values)
