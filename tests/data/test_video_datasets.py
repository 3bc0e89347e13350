"""Data sets of real video files and folders of frames: what is opened, and what is in the batches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.videos import numbered_frames, numbers_in, write_sound, write_video

from autodas.data import Augmentation, Batch, ImageDataset, Loader, check_dataset, open_dataset, read_clips
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.splits._clips import Clips
from autodas.errors import AutodasError

SIZE, HEIGHT, WIDTH = 28, 32, 40  # 32 is the short side that frames get for 28 pixels: nothing is resized
CLIP = 4
LENGTHS = {"train": (9, 13, 16, 4, 21, 10), "test": (11, 25, 5)}


def places(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frames whose channels are the number of the frame, the row and the column."""
    grid = np.meshgrid(np.arange(count), np.arange(height), np.arange(width), indexing="ij")
    return np.stack(grid, axis=-1).astype(np.uint8)


def write_frames(folder: Path, frames: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of videos as folders of PNG frames, so that every pixel tells where it comes from."""
    root = tmp_path_factory.mktemp("frames")
    for split, lengths in LENGTHS.items():
        for i, count in enumerate(lengths):
            write_frames(root / split / "ab"[i % 2] / f"video{i}", places(count))
    return root


def count_of(path: str) -> int:
    return LENGTHS[Path(path).parts[-3]][int(path[-1])]


def open_folders(root: Path, **options: Any) -> ImageDataset:
    return open_dataset(f"videofolder:{root}", **{"frames": CLIP, "image_size": SIZE, **options})


def test_videos_of_one_colour_are_told(folders: Path, tmp_path: Path) -> None:
    told = "each of the training videos shows a single colour"
    assert not any(told in note for note in open_folders(folders).notes)
    for split in ("train", "test"):
        for i in range(4):
            folder = tmp_path / split / "ab"[i % 2] / f"video{i}"
            folder.mkdir(parents=True)
            for frame in range(6):
                Image.new("RGB", (24, 24), (10 * i, 0, 90)).save(folder / f"{frame}.png")
    assert any(told in note for note in open_folders(tmp_path).notes)


def loader(
    data: ImageDataset, train: bool = True, augmentation: Augmentation | None = None, **options: Any
) -> Loader:
    """Batches in which a pixel is its byte."""
    settings: dict[str, Any] = {"batch_size": 4, "seed": 5, "shuffle": train, **options}
    return Loader(
        data.train if train else data.test,
        None,
        mean=(0.0,) * data.channels,
        std=(1 / 255,) * data.channels,
        image_size=data.image_size,
        augmentation=(augmentation or Augmentation()) if train else None,
        **settings,
    )


def pixels(images: torch.Tensor) -> np.ndarray:
    """(B, C, T, S, S) as bytes (B, T, S, S, C)."""
    found: np.ndarray = images.permute(0, 2, 3, 4, 1).round().to(torch.uint8).numpy()
    return found


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True))


class TestOpening:
    @pytest.mark.slow
    def test_splits_of_files(self, tmp_path: Path) -> None:
        for split, count in (("train", 3), ("val", 2)):
            for name in ("walk", "run", "jump"):
                for i in range(count):
                    write_video(tmp_path / split / name / f"{i}.mp4", numbered_frames(6, 16, 16))
        (tmp_path / "train/run/notes.txt").write_text("no video")
        name = f"videofolder:{tmp_path}"
        data = open_dataset(name)
        assert data.classes == ("jump", "run", "walk")
        assert (data.channels, data.what, data.modality, data.frames) == (3, "videos", "rgb", 16)
        assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert data.train.paths is not None
        assert [Path(p).parent.name for p in data.train.paths] == ["jump"] * 3 + ["run"] * 3 + ["walk"] * 3
        assert (data.train.storage, data.train.bytes_in_memory) == ("stream", 0)
        assert not data.bad
        assert str(data.default_augmentation) == "flip=True"
        chosen = open_dataset(name, classes=("walk", "jump"))
        assert chosen.classes == ("jump", "walk")
        assert chosen.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert all("run" not in Path(p).parts for p in (*chosen.train.paths, *chosen.test.paths))
        few = open_dataset(name, subset=6, seed=1)
        assert np.bincount(few.train.labels).tolist() == [2, 2, 2]
        assert len(few.test) == 6
        with pytest.raises(AutodasError, match=r"unknown class 'wlk'.*'walk'"):
            open_dataset(name, classes=("wlk", "jump"))

    def test_without_splits(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            for i in range(10):
                write_frames(tmp_path / name / str(i), places(3, 8, 8))
        data = open_dataset(f"videofolder:{tmp_path}", frames=2)
        assert len(data.train) + len(data.test) == 20
        assert (np.bincount(data.train.labels) >= 2).all()
        assert (np.bincount(data.test.labels) >= 1).all()
        assert len({*data.train.paths, *data.test.paths}) == 20
        again = open_dataset(f"videofolder:{tmp_path}", frames=2, seed=9)
        assert again.train.paths == data.train.paths, "the split is not a matter of the seed"

    @pytest.mark.parametrize(
        ("height", "width", "options", "size"),
        [
            (20, 26, {}, 20),  # up to 64 the videos' own
            (64, 64, {}, 64),
            (90, 100, {}, 88),  # a multiple of 8
            (144, 130, {}, 112),
            (144, 130, {"max_image_size": 96}, 96),
            (20, 26, {"image_size": 24}, 24),
        ],
    )
    def test_default_sizes(
        self, tmp_path: Path, height: int, width: int, options: dict[str, int], size: int
    ) -> None:
        for split in ("train", "test"):
            for name in ("a", "b"):
                write_frames(tmp_path / split / name / "1", places(2, 8, 8))
        # The largest of all short sides is what counts.
        write_frames(tmp_path / "train/b/2", places(2, height, width))
        data = open_dataset(f"videofolder:{tmp_path}", frames=2, **options)
        assert data.image_size == size
        batch = next(loader(data, train=False).batches(0))
        assert batch.images.shape == (2, 3, 2, size, size)

    def test_statistics(self, folders: Path) -> None:
        data = open_folders(folders)
        views = []
        for path in data.train.paths or ():
            start = (count_of(path) - CLIP) // 2
            views.append(places(count_of(path))[start : start + CLIP, 2:30, 6:34].reshape(-1, 3) / 255)
        together = np.concatenate(views)
        assert data.mean == pytest.approx(together.mean(0))
        assert data.std == pytest.approx(together.std(0))

    def test_facts(self, folders: Path) -> None:
        found = check_dataset(f"videofolder:{folders}")
        train, test = found["train"], found["test"]
        assert found["clips"] == {
            "frames": 16,
            "step": 1,
            "fps": None,
            "sampling": "dense",
            "starts": "random",
        }
        assert train["videos_per_class"] == {"a": 3, "b": 3}
        assert (train["frames"], train["shortest"], train["longest"], train["looped"]) == (73, 4, 21, 4)
        assert (test["frames"], test["shortest"], test["longest"], test["looped"]) == (41, 5, 25, 2)
        # 32 pixels are the short side: the frames are seen as they are, and stored with a margin, 36 x 45.
        assert found["image_size"] == 32
        assert train["bytes_decoded"] == 73 * 36 * 45 * 3

    def test_splits_with_different_classes(self, folders: Path, tmp_path: Path) -> None:
        for split, names in (("train", "ab"), ("test", "ac")):
            for name in names:
                write_frames(tmp_path / split / name / "1", places(1, 8, 8))
        with pytest.raises(AutodasError, match=r"different classes: 'b' only in .*train"):
            open_folders(tmp_path)

    def test_files_among_folders_of_frames(self, tmp_path: Path) -> None:
        write_frames(tmp_path / "a/1", places(1, 8, 8))
        write_video(tmp_path / "b/1.mp4", numbered_frames(4, 16, 16))
        with pytest.raises(AutodasError, match=r"b/1.mp4 is a file, .*a/1 a folder of frames"):
            open_folders(tmp_path)


class TestTrainingBatches:
    def test_layout(self, folders: Path) -> None:
        data = open_folders(folders)
        batch = next(loader(data).batches(0))
        assert batch.images.shape == (4, 3, CLIP, SIZE, SIZE)
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last_3d)
        assert batch.labels.tolist() == data.train.labels[batch.indices].tolist()

    @pytest.mark.slow
    def test_clips_crops_and_flips(self, folders: Path) -> None:
        """Every pixel says which frame, row and column it is of."""
        data = open_folders(folders, starts="grid")
        batches = loader(data, augmentation=Augmentation(flip=True), seed=7)
        starts: dict[int, set[int]] = {i: set() for i in range(6)}
        corners, mirrored = set(), 0
        for epoch in range(30):
            seen = []
            for batch in batches.batches(epoch):
                for clip, index in zip(pixels(batch.images), batch.indices.tolist(), strict=True):
                    seen.append(index)
                    count = count_of(data.train.paths[index])
                    key = sample_keys(AUGMENTATION, 7, epoch, torch.tensor(index))
                    numbers = clip[..., 0]
                    assert (numbers == numbers[:, :1, :1]).all()
                    assert numbers[:, 0, 0].tolist() == Clips(CLIP, starts="grid").training(count, key)
                    first = int(numbers[0, 0, 0])
                    assert first % CLIP == 0
                    assert first + CLIP <= count
                    starts[index].add(first)
                    rows, columns = clip[..., 1], clip[..., 2]
                    top, ends = int(rows[0, 0, 0]), sorted((int(columns[0, 0, 0]), int(columns[0, 0, -1])))
                    flipped = columns[0, 0, 0] > columns[0, 0, -1]
                    across = np.arange(ends[0], ends[0] + SIZE)
                    down = np.arange(top, top + SIZE)
                    # All frames of a clip are cropped and mirrored alike.
                    assert (rows == down[None, :, None]).all()
                    assert (columns == (across[::-1] if flipped else across)).all()
                    corners.add((top, ends[0]))
                    mirrored += int(flipped)
            assert sorted(seen) == list(range(6))
        # 180 views: every clip of every video is drawn, every row and column is a corner.
        for index, found in starts.items():
            assert found == set(range(0, count_of(data.train.paths[index]) - CLIP + 1, CLIP))
        assert {top for top, _ in corners} == set(range(HEIGHT - SIZE + 1))
        assert {left for _, left in corners} == set(range(WIDTH - SIZE + 1))
        assert 65 < mirrored < 115  # 90 are expected, with a standard deviation of 6.7

    @pytest.mark.slow
    def test_steps_and_short_videos(self, folders: Path) -> None:
        """Four frames, two apart, span 7 frames and take 8: videos with fewer are looped."""
        data = open_folders(folders, frame_step=2, starts="grid")
        starts: dict[int, set[int]] = {i: set() for i in range(6)}
        for epoch in range(12):
            for batch in loader(data).batches(epoch):
                for clip, index in zip(pixels(batch.images), batch.indices.tolist(), strict=True):
                    count = count_of(data.train.paths[index])
                    start = int(clip[0, 0, 0, 0])
                    assert clip[:, 0, 0, 0].tolist() == [(start + 2 * i) % count for i in range(4)]
                    starts[index].add(start)
        # Class folders come one after the other: 9, 16, 21 frames of a, 13, 4, 10 of b.
        assert list(starts.values()) == [{0}, {0, 8}, {0, 8}, {0}, {0}, {0}]

    @pytest.mark.slow
    def test_clips_begin_anywhere(self, folders: Path) -> None:
        """Also where the grid of clips leaves a rest at the end."""
        data = open_folders(folders)
        batches = loader(data, seed=7)
        starts: dict[int, set[int]] = {i: set() for i in range(6)}
        for epoch in range(150):
            for batch in batches.batches(epoch):
                for clip, index in zip(pixels(batch.images), batch.indices.tolist(), strict=True):
                    starts[index].add(int(clip[0, 0, 0, 0]))
        counts = [count_of(path) for path in data.train.paths or ()]
        assert list(starts.values()) == [set(range(count - CLIP + 1)) for count in counts]

    def test_sparse_clips(self, folders: Path) -> None:
        data = open_folders(folders, sampling="sparse")
        for epoch in range(5):
            for batch in loader(data, seed=7).batches(epoch):
                for clip, index in zip(pixels(batch.images), batch.indices.tolist(), strict=True):
                    count = count_of(data.train.paths[index])
                    for i, number in enumerate(clip[:, 0, 0, 0].tolist()):
                        assert i * count // CLIP <= number < (i + 1) * count // CLIP
        # The middle of each quarter of 11, 5 and 25 frames: of 0-1, 2-4, 5-7, 8-10 and so on.
        (batch,) = loader(data, train=False).batches(0)
        found = pixels(batch.images)[..., 0, 0, 0].tolist()
        assert found == [[1, 3, 6, 9], [0, 1, 2, 4], [3, 9, 15, 21]]

    def test_frames_a_second(self, tmp_path: Path) -> None:
        """Files of 25 and of 50 frames a second give clips of the same speed."""
        for split in ("train", "test"):
            for name, rate in (("slow", 25), ("fast", 50)):
                frames = numbered_frames(60, 32, 32)
                write_video(tmp_path / split / name / "1.mp4", frames, key_every=7, rate=rate)
        data = open_dataset(f"videofolder:{tmp_path}", frames=4, image_size=28, fps=10)
        (batch,) = loader(data, train=False).batches(0)
        # A tenth of a second is 2.5 and 5 frames: spans of 9 and 16 frames, in the middle of 60.
        expected = {"slow": [25, 28, 30, 33], "fast": [22, 27, 32, 37]}
        found = [numbers_in(clip) for clip in pixels(batch.images)]
        assert found == [expected[name] for name in data.classes]
        train = [b for epoch in range(3) for b in loader(data).batches(epoch)]
        for batch in train:
            for clip, label in zip(pixels(batch.images), batch.labels.tolist(), strict=True):
                steps = np.diff(numbers_in(clip)).tolist()
                assert steps == {"slow": [3, 2, 3], "fast": [5, 5, 5]}[data.classes[label]]

    def test_frames_of_files(self, tmp_path: Path) -> None:
        """Numbered frames come out of encoded files as they went in."""
        for split in ("train", "test"):
            for i, name in enumerate(("a", "b")):
                write_video(tmp_path / split / name / "1.mp4", numbered_frames(40 + i, 32, 32), key_every=7)
        data = open_dataset(f"videofolder:{tmp_path}", frames=8, image_size=28)
        for epoch in range(4):
            for batch in loader(data, seed=1).batches(epoch):
                for clip, index in zip(pixels(batch.images), batch.indices.tolist(), strict=True):
                    key = sample_keys(AUGMENTATION, 1, epoch, torch.tensor(index))
                    assert numbers_in(clip) == Clips(8).training(40 + index, key)

    def test_colours_change_alike_in_all_frames(self, tmp_path: Path) -> None:
        """A still clip stays still, whatever is done to its colours."""
        still = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8).repeat(6, 0)
        for split in ("train", "test"):
            for name in ("a", "b"):
                write_frames(tmp_path / split / name / "1", still)
        data = open_folders(tmp_path)
        (plain,) = loader(data).batches(0)
        (varied,) = loader(data, augmentation=Augmentation(color_jitter=0.5)).batches(0)
        assert not torch.equal(plain.images, varied.images)
        assert torch.equal(varied.images, varied.images[:, :, :1].expand_as(varied.images))


class TestEvaluationBatches:
    @pytest.mark.parametrize("batch_size", [7, 20, 60])
    def test_twenty_clips(self, folders: Path, batch_size: int) -> None:
        data = open_folders(folders)
        batches = loader(data, train=False, views=20, batch_size=batch_size)
        found = list(batches.batches(0))
        assert [len(batch.labels) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
        assert len(batches) == len(found) == -(-60 // batch_size)
        indices = torch.cat([batch.indices for batch in found]).tolist()
        assert indices == [0] * 20 + [1] * 20 + [2] * 20
        assert torch.cat([b.labels for b in found]).tolist() == data.test.labels.repeat(20).tolist()
        clips = np.concatenate([pixels(batch.images) for batch in found])
        for place, clip in enumerate(clips):
            room = count_of(data.test.paths[place // 20]) - CLIP
            start = (place % 20) * room // 19
            assert clip[:, 0, 0, 0].tolist() == list(range(start, start + CLIP))
            # The centre: rows 2 to 29 of 32, columns 6 to 33 of 40.
            assert (clip[..., 1] == np.arange(2, 30)[None, :, None]).all()
            assert (clip[..., 2] == np.arange(6, 34)).all()

    def test_one_clip_is_the_middle(self, folders: Path) -> None:
        (batch,) = loader(open_folders(folders), train=False).batches(0)
        # Class folders come one after the other: 11 and 5 frames of a, 25 of b.
        assert pixels(batch.images)[:, 0, 0, 0, 0].tolist() == [3, 0, 10]

    @pytest.mark.parametrize("batch_size", [6, 7, 18])
    def test_three_crops_of_each_clip(self, folders: Path, batch_size: int) -> None:
        """Along the longer side: columns 0 to 27, 6 to 33 and 12 to 39 of 40, in the middle of the rows."""
        data = open_folders(folders)
        batches = loader(data, train=False, views=2, crops=3, batch_size=batch_size)
        assert len(batches) == -(-18 // batch_size)
        found = list(batches.batches(0))
        assert torch.cat([batch.indices for batch in found]).tolist() == [0] * 6 + [1] * 6 + [2] * 6
        for place, clip in enumerate(np.concatenate([pixels(batch.images) for batch in found])):
            video, view = divmod(place, 6)
            start = (view // 3) * (count_of(data.test.paths[video]) - CLIP)
            assert clip[:, 0, 0, 0].tolist() == list(range(start, start + CLIP))
            left = (0, 6, 12)[view % 3]
            assert (clip[..., 1] == np.arange(2, 30)[None, :, None]).all()
            assert (clip[..., 2] == np.arange(left, left + SIZE)).all()

    def test_crops_of_upright_videos_lie_below_each_other(self, tmp_path: Path) -> None:
        path = write_frames(tmp_path / "video", places(5, WIDTH, HEIGHT))
        views = read_clips(path, channels=3, image_size=SIZE, clips=Clips(CLIP), number=1, crops=3)
        assert views[:, 1, 0, :, 0].tolist() == [list(range(top, top + SIZE)) for top in (0, 6, 12)]
        assert (views[:, 2, 0] == torch.arange(2, 30)).all()

    def test_a_single_video_gives_the_same(self, folders: Path) -> None:
        data = open_folders(folders)
        batches = list(loader(data, train=False, views=5, batch_size=5).batches(0))
        for path, batch in zip(data.test.paths or (), batches, strict=True):
            views = read_clips(path, channels=3, image_size=SIZE, clips=Clips(CLIP), number=5)
            assert np.array_equal(views.permute(0, 2, 3, 4, 1).numpy(), pixels(batch.images))


def test_people_are_shown_frames_of_the_middle_clip(folders: Path) -> None:
    """Up to six of them, side by side, as the network sees them."""
    data = open_folders(folders, image_size=96)
    strip = data.test.read(2)  # 25 frames; the clip is 10, 11, 12, 13
    assert strip.shape == (96, 4 * 96, 3)
    assert [int(strip[48, 96 * i + 48, 0]) for i in range(4)] == [10, 11, 12, 13]
    longer = open_folders(folders, image_size=96, frames=11).test.read(2)  # 7 to 17
    assert [int(longer[48, 96 * i + 48, 0]) for i in range(longer.shape[1] // 96)] == [7, 9, 11, 13, 15, 17]


class TestWorkers:
    @pytest.mark.slow
    def test_equal_batches(self, folders: Path) -> None:
        data = open_folders(folders)
        augmentation = Augmentation(flip=True, color_jitter=0.3)
        one = loader(data, augmentation=augmentation)
        first = [*one.batches(0), *one.batches(1)]
        test = list(loader(data, train=False, views=3, batch_size=4).batches(0))
        assert len(first) == 4
        assert not torch.equal(first[0].images, first[2].images)
        for workers in (1, 2):
            many = loader(data, augmentation=augmentation, workers=workers)
            stream = many.stream()
            assert_equal(first, [next(stream) for _ in range(4)])
            assert_equal(
                test, list(loader(data, train=False, views=3, batch_size=4, workers=workers).batches(0))
            )

    @pytest.mark.slow
    def test_from_any_place_on(self, folders: Path) -> None:
        data = open_folders(folders)
        augmentation = Augmentation(flip=True)
        options: dict[str, Any] = {"augmentation": augmentation, "batch_size": 2}
        whole = [b for epoch in range(2) for b in loader(data, **options).batches(epoch)]
        assert len(whole) == 6
        for step in range(5):
            stream = loader(data, **options, workers=2 * (step == 4)).stream(step)
            assert_equal([next(stream) for _ in range(6 - step)], whole[step:])
        test = loader(data, train=False, views=3, batch_size=4)
        everything = list(test.batches(0))
        for start in range(3):
            assert_equal(list(test.batches(0, start)), everything[start:])


def write_empty(path: Path) -> Path:
    """A video stream without a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    return path


class TestBadFiles:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for split, count in (("train", 4), ("test", 3)):
            for name in ("a", "b"):
                for i in range(count):
                    write_video(
                        tmp_path / split / name / f"{i}.avi", numbered_frames(6, 16, 16), codec="mpeg4"
                    )
        return tmp_path

    def damage(self, root: Path) -> list[tuple[str, str]]:
        """Make four videos unreadable; return their names and the reasons."""
        whole = (root / "train/a/0.avi").read_bytes()
        (root / "train/a/0.avi").write_bytes(whole[:40])
        (root / "train/b/1.avi").write_text("not a video at all")
        write_sound(root / "test/a/2.mp4")
        (root / "test/a/2.avi").unlink()
        write_empty(root / "test/b/0.avi")
        return [
            ("train/a/0.avi", ""),
            ("train/b/1.avi", "not a video file, or a damaged one"),
            ("test/a/2.mp4", "it has no video stream"),
            ("test/b/0.avi", "it has no frames"),
        ]

    def test_counted_and_named(self, root: Path) -> None:
        damaged = self.damage(root)
        name = f"videofolder:{root}"
        data = open_dataset(name, frames=4, max_bad=0.3)
        assert len(data.bad) == 4
        for line, (path, reason) in zip(data.bad, damaged, strict=True):
            assert line.startswith(f"{root / path}: {reason}")
        assert (len(data.train), len(data.test)) == (6, 4)
        left = {*(data.train.paths or ()), *(data.test.paths or ())}
        assert not left & {str(root / path) for path, _ in damaged}
        found = check_dataset(name, max_bad=0.3)
        told = "4 videos cannot be read and are skipped: "
        assert any(note.startswith(told) for note in found["warnings"])

    def test_beyond_the_limit(self, root: Path) -> None:
        self.damage(root)
        with pytest.raises(AutodasError) as caught:
            open_dataset(f"videofolder:{root}", max_bad=0.1)
        message = str(caught.value)
        assert "4 of 14 videos cannot be read, 2 are allowed" in message
        assert str(root / "train/a/0.avi") in message
        # 4 / 14 = 0.2857: what is named must suffice.
        assert "max_bad=0.29" in message
        assert len(open_dataset(f"videofolder:{root}", max_bad=0.29).bad) == 4

    def test_a_class_without_readable_videos(self, root: Path) -> None:
        for path in (root / "train/a").iterdir():
            path.write_bytes(b"")
        with pytest.raises(AutodasError, match="class 'a' has no readable training video:"):
            open_dataset(f"videofolder:{root}", max_bad=0.5)

    @pytest.mark.slow
    @pytest.mark.parametrize("workers", [0, 2])
    def test_replaced_while_training(self, root: Path, workers: int) -> None:
        """A file that breaks after the set has been opened: the next video stands for it."""
        data = open_dataset(f"videofolder:{root}", frames=4, max_bad=0.1)
        (root / "train/a/3.avi").write_bytes(b"")  # number 3; 4 is the first of class b
        batches = loader(data, batch_size=8, workers=workers)
        (batch,) = batches.batches(0)
        assert sorted(batch.indices.tolist()) == [0, 1, 2, 4, 4, 5, 6, 7]
        assert batch.labels.tolist() == data.train.labels[batch.indices].tolist()
        assert batches.bad == (f"{root / 'train/a/3.avi'}: not a video file, or a damaged one",)
        # The substitute is seen with the key of the bad one: its place in the batch keeps its randomness.
        order = loader(data, batch_size=8)._order(0).tolist()
        place = order.index(3)
        assert batch.indices[place] == 4

    def test_left_out_in_evaluation(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        data = open_dataset(f"videofolder:{root}", frames=4, max_bad=0.1)
        (root / "test/a/1.avi").write_bytes(b"")
        batches = loader(data, train=False, views=4, batch_size=3)
        indices = [i for batch in batches.batches(0) for i in batch.indices.tolist()]
        assert indices == [i for i in (0, 2, 3, 4, 5) for _ in range(4)]
        assert len(batches.bad) == 1
        # Told once, though its four clips lie in two batches.
        told = f"cannot be read, skipped: {root / 'test/a/1.avi'}: not a video file, or a damaged one\n"
        assert capsys.readouterr().err == told

    @pytest.mark.slow
    @pytest.mark.parametrize("workers", [0, 1])
    def test_too_many_break_meanwhile(self, root: Path, workers: int) -> None:
        data = open_dataset(f"videofolder:{root}", frames=4, max_bad=0.1)
        for i in range(3):
            (root / f"train/a/{i}.avi").write_bytes(b"")
        with pytest.raises(AutodasError, match=r"3 more videos cannot be read, 2 are allowed .*train/a/"):
            list(loader(data, batch_size=8, workers=workers).batches(0))

    def test_nothing_is_readable(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            for name in ("a", "b"):
                (tmp_path / split / name).mkdir(parents=True)
                (tmp_path / split / name / "1.mp4").write_bytes(b"")
        with pytest.raises(AutodasError, match="no readable videos are left"):
            open_dataset(f"videofolder:{tmp_path}", max_bad=1.0)

    def test_missing_decoder_is_no_bad_file(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = open_dataset(f"videofolder:{root}", frames=4)
        monkeypatch.setitem(sys.modules, "av", None)
        for call in (
            lambda: open_dataset(f"videofolder:{root}", max_bad=1.0),
            lambda: next(loader(data).batches(0)),
            lambda: read_clips(root / "train/a/0.avi", channels=3, image_size=16, clips=Clips(4)),
        ):
            with pytest.raises(AutodasError, match=r"'av'.*is not installed: install autodas\[video\]"):
                call()


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"frames": 8}, "frames is for videos, but 'digits' contains images: omit it"),
            ({"frame_step": 2}, "frame_step is for videos, but 'digits' contains images"),
            ({"fps": 5.0}, "fps is for videos, but 'digits' contains images"),
            ({"sampling": "sparse"}, "sampling is for videos, but 'digits' contains images"),
            ({"storage": "compressed"}, "storage compressed is for videos, but 'digits' contains images"),
            ({"modality": "flow"}, "modality is for videos, but 'digits' contains images"),
            ({"cache": "x"}, "cache is for files, but the images of 'digits' are not files: omit it"),
            ({"storage": "cache"}, "storage cache is for files, but the images of 'digits' are not files"),
        ],
    )
    def test_of_videos_for_images(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(AutodasError, match=message):
            open_dataset("digits", **options)

    @pytest.mark.parametrize(
        "values", [{"crop_padding": 2}, {"cutout": 4}, {"random_resized_crop": True}], ids=str
    )
    def test_of_images_for_videos(self, folders: Path, values: dict[str, Any]) -> None:
        data = open_folders(folders)
        (name,) = values
        with pytest.raises(AutodasError, match=f"^{name} is for images: clips of videos are cropped"):
            loader(data, augmentation=Augmentation(**values))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"frames": 0}, "frames must be at least 1, found 0"),
            ({"frame_step": 0}, "frame_step must be at least 1, found 0"),
            (
                {"fps": 5.0},
                "folders of frames, which have no clock: use data.frame_step instead of data.fps",
            ),
            ({"storage": "memory"}, "take too much memory; use data.storage cache"),
            ({"storage": "cash"}, "unknown storage 'cash'.*'cache'"),
            ({"modality": "flwo"}, "unknown modality 'flwo'.*'flow'"),
            ({"image_size": 2}, "between 4 and 2048"),
        ],
    )
    def test_out_of_range(self, folders: Path, options: dict[str, Any], message: str) -> None:
        with pytest.raises(AutodasError, match=message):
            open_folders(folders, **options)
