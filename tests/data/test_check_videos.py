"""What a check tells of videos: their files, damage in their middle, a contact sheet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodas.data import check_dataset, contact_sheet, open_dataset
from autodas.data._check_files import damage_in_video
from autodas.data.augmentation._augmentation import Augmentation
from autodas.errors import AutodasError

pytest.importorskip("av")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("videos", Path(__file__).parent / "videos.py")
    assert spec is not None
    assert spec.loader is not None
    made: Any = module_from_spec(spec)
    spec.loader.exec_module(made)
    root = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for c in "ab":
        for i in range(4):
            noise = rng.integers(0, 256, (30, 6, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
            rate, turned = (50, 90) if (c, i) == ("a", 0) else (25, 0)
            made.write_video(root / c / f"{i}.mp4", noise, rate=rate, turned=turned)
    return root


@pytest.mark.slow
def test_files_of_videos_are_described(videos: Path) -> None:
    facts = check_dataset(f"videofolder:{videos}", frames=4)
    both = [facts["train"], facts["test"]]
    assert sum(part["codecs"]["h264"] for part in both) == 8
    assert sum(part["turned"] for part in both) == 1
    assert {part["sizes"]["largest"] for part in both} == {"64x48"}
    assert max(part["rates"]["highest"] for part in both) == pytest.approx(50)
    assert min(part["rates"]["lowest"] for part in both) == pytest.approx(25)
    assert max(part["seconds"]["longest"] for part in both) == pytest.approx(30 / 25, abs=0.05)
    assert min(part["seconds"]["shortest"] for part in both) == pytest.approx(30 / 50, abs=0.05)


def test_damage_in_the_middle_is_found_by_decoding(videos: Path, tmp_path: Path) -> None:
    whole = (videos / "b/1.mp4").read_bytes()
    assert damage_in_video(str(videos / "b/1.mp4")) is None
    damaged = bytearray(whole)
    middle = whole.index(b"mdat") + 2 * (len(whole) - whole.index(b"mdat")) // 5
    damaged[middle : middle + 3000] = b"\x00" * 3000
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(4):
            content = damaged if (c, i) == ("b", 1) else (videos / c / f"{i}.mp4").read_bytes()
            (tmp_path / c / f"{i}.mp4").write_bytes(content)
    facts = check_dataset(f"videofolder:{tmp_path}", frames=4, decode=True)
    assert facts["bad"] == []
    (line,) = facts["damaged"]
    assert line.startswith(f"{tmp_path}/b/1.mp4: ")
    found = re.fullmatch(r".*: (\d+) of (\d+) frames are damaged, the first at (\S+) s", line)
    assert found is not None
    bad, total, first = (float(group) for group in found.groups())
    assert 1 <= bad <= 20
    assert total == pytest.approx(30, abs=1)
    assert first == pytest.approx(0.4 * 30 / 25, abs=0.2)


def test_contact_sheet_of_clips(videos: Path) -> None:
    data = open_dataset(f"videofolder:{videos}", frames=4, image_size=32)
    sheet = np.asarray(contact_sheet(data, Augmentation()))
    # Six clips in rows, four frames in each, tiles of three times the size with a line of text below.
    assert len(data.train) == 6
    assert sheet.shape == (6 * (96 + 14 + 4) + 4, 4 * (96 + 4) + 4, 3)
    assert (sheet[4:100:3, 4:100:3] == sheet[6:102:3, 6:102:3]).all()


def test_contact_sheet_of_flow_is_white_at_rest() -> None:
    from autodas.data._contact_sheet import _flow_colours

    assert (_flow_colours(np.full((8, 8, 2), 128.0)) == 255).all()
    moving = np.full((8, 8, 2), 128.0)
    moving[:, :4, 0] = 255  # to the right: the hue 0 is red
    moving[:, 4:, 0] = 0  # to the left: the opposite hue
    colours = _flow_colours(moving).astype(int)
    np.testing.assert_allclose(colours[0, 0], [255, 0, 0], atol=3)
    np.testing.assert_allclose(colours[0, 7], [0, 255, 255], atol=9)


def test_contact_sheet_of_many_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    module = ModuleType("bands")
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 5), dtype=np.uint8)
    module.load = lambda split: (images, [0, 1] * 3, ["x", "y"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bands", module)
    data = open_dataset("python:bands:load")
    sheet = np.asarray(contact_sheet(data, Augmentation()))
    assert sheet.shape == (6 * (96 + 14 + 4) + 4, 5 * 100 + 4, 3)
    # The first row is the first picture: its channels in grey, pixels eight times as large.
    for channel in range(5):
        tile = sheet[4:100:8, 4 + 100 * channel : 100 + 100 * channel : 8]
        np.testing.assert_allclose(tile, images[0, :, :, channel, None].repeat(3, -1), atol=1)


@pytest.mark.slow
def test_channels_of_videos_can_be_chosen(videos: Path) -> None:
    from PIL import Image

    from autodas.data import Clips, read_clips

    options = {"frames": 4, "image_size": 32}
    colours = open_dataset(f"videofolder:{videos}", **options)
    grey = open_dataset(f"videofolder:{videos}", channels=1, **options)
    assert (grey.channels, len(grey.mean)) == (1, 1)
    clip = colours.test.evaluation_views(0, [0], 1)[0]
    expected = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in clip])[..., None]
    np.testing.assert_array_equal(grey.test.evaluation_views(0, [0], 1)[0], expected)
    path = (grey.test.paths or [""])[0]
    read = read_clips(path, channels=1, image_size=32, clips=Clips(frames=4), number=1)
    np.testing.assert_array_equal(read[0].permute(1, 2, 3, 0).numpy(), expected)
    still = open_dataset("moving-digits:1", channels=3, subset=8)
    assert still.train.view_shape()[-1] == 3
    with pytest.raises(AutodasError, match=r"its videos have 3 channels, not convertible to data.channels=5"):
        open_dataset(f"videofolder:{videos}", channels=5, **options)
    with pytest.raises(AutodasError, match="value_range is for images"):
        open_dataset(f"videofolder:{videos}", value_range=(0, 4095))
