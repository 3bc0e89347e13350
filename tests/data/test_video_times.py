"""Videos whose frames are not evenly spaced in time: what is shown when, counted by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.videos import numbered_frames, numbers_in, write_video

from autodas.data import Clips, Loader, open_dataset, read_clips
from autodas.data._read_video import clips_along, count_along
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.frames._clock import Clock
from autodas.data.frames._sources import FrameSource, VideoFiles

# Ten frames a second, a picture that stands for two seconds, then again ten.
STEPS = (100, 100, 100, 2000, *[100] * 16)
COUNT = 20


def clock_of(*milliseconds: int, rate: float = 10) -> Clock:
    return Clock(rate, 1000 * np.cumsum([0, *milliseconds]))


def write(path: Path, steps: tuple[int, ...] = STEPS, count: int = COUNT) -> Path:
    return write_video(path, numbered_frames(count, 32, 32), key_every=7, milliseconds=steps)


class TestClock:
    def test_a_picture_that_stands(self) -> None:
        clock = clock_of(100, 100, 2000, 100)
        assert [clock.seconds(i) for i in range(6)] == pytest.approx([0, 0.1, 0.2, 2.2, 2.3, 2.4])
        # Every quarter of a second from the first frame on: the third stands until 2.15 s; of those that are
        # equally near the later one is taken.
        assert [clock.after(0, i, 4) for i in range(11)] == [0, 2, 2, 2, 2, 2, 2, 2, 2, 4, 5 + 1]
        # From the third frame, which is shown at 0.2 s: 0.2, 1.2, 2.2 s, then again from the beginning.
        assert [clock.after(2, i, 1) for i in range(4)] == [2, 2, 3, 5 + 2]
        assert clock.after(0, 24, 10) == 5
        assert clock.after(0, 48, 10) == 10

    def test_the_nearest_frame_where_the_rate_changes(self) -> None:
        clock = clock_of(20, 20, 20, 95, 95, rate=50)
        # Frames at 0, 20, 40, 60, 155, 250 ms, looked for every 40 ms: none more than 10 ms early.
        assert [clock.after(0, i, 25) for i in range(6)] == [0, 2, 3, 3, 4, 4]

    @pytest.mark.parametrize("rate", [25.0, 30000 / 1001, 12.5])
    def test_times_that_are_even_give_what_a_rate_gives(self, rate: float) -> None:
        even = Clock(rate)
        timed = Clock(rate, np.rint(np.arange(200) / rate * 1e6).astype(np.int64))
        for fps in (3.0, 7.3, 24.0, 60.0):
            for steps in range(90):
                # Half a microsecond decides where two frames are equally near.
                place = steps * rate / fps + 0.5
                if abs(place - round(place)) > 1e-3:
                    assert timed.after(5, steps, fps) == even.after(5, steps, fps)

    def test_which_times_are_even(self) -> None:
        exact = np.arange(300) * 1001 / 30000
        assert Clock.of(np.round(exact, 3), [29.97], 0.001) == Clock(29.97)
        assert Clock.of(np.round(exact, 2), [29.97], 0.01) == Clock(29.97)
        # What a container claims is not what the time stamps say: they are 10 s apart after 300 frames.
        assert Clock.of(exact, [29.0, 30000 / 1001], 1e-6) == Clock(30000 / 1001)
        # One frame was dropped: all later ones are a step late.
        dropped = np.delete(np.arange(300) / 25, 150)
        found = Clock.of(dropped, [25.0], 1e-6)
        assert found.rate == 25
        assert found.times is not None
        assert found.times.tolist() == [40_000 * i for i in range(300) if i != 150]


class TestClips:
    clock = clock_of(*STEPS[:-1])

    def test_clips_fit_by_time(self) -> None:
        # Frame 3 stands from 0.3 to 2.3 s, frame 19 begins at 3.8 s. Clips of two seconds: of those that
        # begin with frame 3 the last frame is that of 2.3 s; none fits from frame 4 on.
        clips = Clips(5, fps=2)
        assert clips.evaluation(COUNT, 0, 2, self.clock) == [0, 3, 3, 3, 3]
        assert clips.evaluation(COUNT, 1, 2, self.clock) == [3, 3, 3, 3, 4]
        clips = Clips(3, fps=2)
        assert clips.evaluation(COUNT, 1, 2, self.clock) == [9, 14, 19]
        assert clips.evaluation(COUNT, 0, 1, self.clock) == [4, 9, 14]

    def test_training(self) -> None:
        keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(300))
        drawn = {tuple(Clips(3, fps=2).training(COUNT, key, self.clock)) for key in keys}
        assert {numbers[0] for numbers in drawn} == set(range(10))
        assert (0, 3, 3) in drawn
        assert (3, 3, 3) in drawn
        assert (4, 9, 14) in drawn
        # Clips that do not overlap, a second each: they begin at 0, 1, 2 s, and what is left over is 0.9 s.
        grid = {tuple(Clips(2, fps=2, starts="grid").training(COUNT, key, self.clock)) for key in keys}
        assert grid == {(0, 3), (3, 3)}

    def test_a_video_that_is_too_short_is_looped_in_time(self) -> None:
        # Frames at 0, 0.1, 0.2 and 1.5 s, the end at 1.6 s: 2 and 2.5 s are 0.4 and 0.9 s again.
        assert Clips(6, fps=2).evaluation(4, 0, 1, clock_of(100, 100, 1300)) == [0, 2, 2, 3, 2, 2]

    def test_the_clip_in_the_middle_of_a_part(self) -> None:
        clips = Clips(3, fps=5)
        assert clips.within(4, 10, COUNT, self.clock) == [6, 8, 10]
        assert clips.within(3, 1, COUNT, self.clock) == [3, 3, 3]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
class TestFiles:
    def test_clock(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name)
        for _ in range(2):  # The second time from the kept index.
            clock = VideoFiles([str(path)]).clock(0)
            assert clock is not None
            assert clock.rate == pytest.approx(10, rel=1e-3)
            assert clock.times is not None
            expected = 1000 * np.cumsum([0, *STEPS[:-1]])
            # A unit of a transport stream is 11 microseconds.
            assert np.abs(clock.times - expected).max() <= 20

    def test_clips(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name)
        views = read_clips(path, channels=3, image_size=28, clips=Clips(3, fps=2), number=2)
        assert [numbers_in(v.permute(1, 2, 3, 0).numpy()) for v in views] == [[0, 3, 3], [9, 14, 19]]

    def test_along(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name)
        found = list(clips_along(path, 1, channels=3, image_size=28, clips=Clips(2, fps=10)))
        # No frame begins in the second from 1 to 2 s: the first part lasts until there is another frame.
        assert [(s.start, s.end) for s in found] == [
            pytest.approx(times, abs=1e-4) for times in ((0, 2.3), (2.3, 3.0), (3.0, 3.9))
        ]
        assert count_along(path, 1) == 3
        numbers = [numbers_in(s.views[0].permute(1, 2, 3, 0).numpy()) for s in found]
        assert numbers == [[1, 2], [6, 7], [14, 15]]


@pytest.mark.parametrize("modality", ["rgb", "flow"])
@pytest.mark.parametrize("storage", ["cache", "compressed"])
def test_stored_frames_have_the_same_clock(tmp_path: Path, storage: str, modality: str) -> None:
    for split, label in itertools.product(("train", "test"), "ab"):
        write(tmp_path / "set" / split / label / "1.mp4")
    options: dict[str, Any] = {"frames": 3, "image_size": 28, "fps": 2, "modality": modality, "flow": "dis"}
    source = f"videofolder:{tmp_path / 'set'}"
    streamed = open_dataset(source, storage="stream", **options)
    stored = open_dataset(source, storage=storage, cache=str(tmp_path / "cache"), **options)
    again = open_dataset(source, storage=storage, cache=str(tmp_path / "cache"), **options)
    for data in (stored, again):
        assert data.train.storage == storage
        for split, expected in ((data.train, streamed.train), (data.test, streamed.test)):
            clocks: list[Clock | None] = []
            for videos in (split, expected):
                frames: FrameSource = videos._source  # type: ignore[attr-defined]
                clocks += [frames.clock(i) for i in range(2)]
            for clock in clocks:
                assert clock is not None
                assert clock.times is not None
                assert clock.times.tolist() == (1000 * np.cumsum([0, *STEPS[:-1]])).tolist()
    if (storage, modality) == ("cache", "rgb"):
        loader: dict[str, Any] = {"shuffle": False, "augmentation": None, "batch_size": 2, "workers": 0}
        facts = {"mean": (0.0,) * 3, "std": (1 / 255,) * 3, "image_size": 28, "seed": 0, "views": 2}
        one, two = (
            next(iter(Loader(d.test, None, **loader, **facts).batches(0))).images for d in (streamed, again)
        )
        assert torch.equal(one, two)
        assert numbers_in(one[0].permute(1, 2, 3, 0).numpy()) == [0, 3, 3]


def test_joined_recordings_do_not_last_for_hours(tmp_path: Path) -> None:
    """Time stamps of a transport stream leap where two were joined; in other files a gap is a gap."""
    steps = (40,) * 20 + (3_600_000,) + (40,) * 9
    clock = VideoFiles([str(write(tmp_path / "a.ts", steps, 30))]).clock(0)
    assert clock is not None
    assert (clock.rate, clock.times) == (pytest.approx(25), None)
    clock = VideoFiles([str(write(tmp_path / "a.mkv", steps, 30))]).clock(0)
    assert clock is not None
    assert clock.seconds(29) == pytest.approx(3600 + 28 * 0.04)


def test_even_files_have_no_times_of_their_own(tmp_path: Path) -> None:
    for number, (name, rate) in enumerate((("a.mp4", 25), ("a.mkv", 60), ("a.avi", 24))):
        codec = "mpeg4" if name == "a.avi" else "libx264"
        path = tmp_path / str(number) / name
        write_video(path, numbered_frames(30, 32, 32), codec=codec, rate=rate)
        assert VideoFiles([str(path)]).clock(0) == Clock(rate)
