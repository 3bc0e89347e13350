"""What values the network sees of pictures of any depth and number of channels."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.version import Version
from PIL import Image

from autodas.data import Augmentation, ImageDataset, Loader, check_dataset, open_dataset, read_image
from autodas.data.augmentation._augmentation import finish
from autodas.data.augmentation._colour import jitter
from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.data.pixels._decode import open_image
from autodas.data.pixels._form import Form
from autodas.data.pixels._formats import reason_of, turned
from autodas.data.pixels._views import decoded_view, square
from autodas.errors import AutodasError

Array = np.ndarray


def smooth(seed: int, high: float, channels: int = 1, side: int = 24) -> Array:
    """A smooth picture (side, side, channels) of numbers from 0 to ``high``, both included."""
    coarse = np.random.default_rng(seed).random((4, 4, channels)).astype(np.float32)
    layers = [
        np.asarray(Image.fromarray(coarse[:, :, c]).resize((side, side), Image.Resampling.BICUBIC))
        for c in range(channels)
    ]
    found = np.stack(layers, -1).astype(np.float64)
    return (found - found.min()) / np.ptp(found) * high


def write_png(path: Path, values: Array, bits: int | None = None, clear: tuple[int, ...] = ()) -> None:
    """Write 16-bit grey, grey and alpha, RGB or RGBA (H, W, C); ``bits`` of them are significant."""
    height, width, channels = values.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + (chunk(b"sBIT", bytes([bits] * channels)) if bits else b"")
        + (chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def save(path: Path, values: Array) -> None:
    """Write values (H, W, C) as the file type that the path names."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif" and (values.shape[2] > 1 or values.dtype == np.float64):
        pytest.importorskip("tifffile").imwrite(
            path, values, photometric="rgb" if values.shape[2] == 3 else "minisblack", planarconfig="contig"
        )
    elif path.suffix == ".png" and values.dtype == np.uint16:
        write_png(path, values)
    else:
        Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Make class folders of pictures that ``make(seed)`` returns."""

    def write(make: Callable[[int], Array], ending: str, name: str = "set", count: int = 5) -> Path:
        for c in range(2):
            (tmp_path / name / "ab"[c]).mkdir(parents=True)
            for i in range(count):
                save(tmp_path / name / "ab"[c] / f"{i}{ending}", make(100 * c + i))
        return tmp_path / name

    return write


def seen(data: ImageDataset) -> dict[str, Array]:
    """What the network sees of the training pictures, on the scale 0..1: paths to (S, S, C)."""
    batch = next(
        Loader(
            data.train,
            None,
            batch_size=len(data.train),
            mean=(0.0,) * data.channels,
            std=(1.0,) * data.channels,
            image_size=data.image_size,
            seed=0,
            shuffle=False,
            augmentation=None,
        ).batches(0)
    )
    assert data.train.paths is not None
    return {
        data.train.paths[int(i)]: image.permute(1, 2, 0).numpy()
        for i, image in zip(batch.indices, batch.images, strict=True)
    }


def values_in(path: str) -> Array:
    """Decode a grey or RGB file by other means than the library."""
    if path.endswith(".npy"):
        return np.load(path)
    if path.endswith(".tif"):
        found = pytest.importorskip("tifffile").imread(path)
    else:
        found = np.asarray(Image.open(path))
    return found[..., None] if found.ndim == 2 else found


@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("ending", [".png", ".tif", ".npy"])
def test_twelve_bit_images_keep_their_grey_levels(folder: Any, ending: str, storage: str) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 4095)).astype(np.uint16), ending)
    data = open_dataset(f"imagefolder:{root}", storage=storage)
    assert data.value_range == (0, 4095)
    assert any("use 12 bits: range 0..4095" in note for note in data.notes)
    pictures = seen(data)
    assert len(pictures) == len(data.train)
    for path, found in pictures.items():
        np.testing.assert_allclose(found, values_in(path) / 4095, atol=1e-6)
        assert len(np.unique(found)) > 256
    everything = np.concatenate([values_in(path).reshape(-1) / 4095 for path in pictures])
    np.testing.assert_allclose((data.mean[0], data.std[0]), (everything.mean(), everything.std()), rtol=1e-5)
    assert (data.train.read(0) == np.rint(values_in(data.train.paths[0]) / 4095 * 255)).all()  # type: ignore[index]


@pytest.mark.parametrize(("high", "expected"), [(255, 255), (1000, 1023), (16000, 16383), (40000, 65535)])
def test_the_fewest_bits_that_hold_the_training_images(folder: Any, high: int, expected: int) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, high)).astype(np.uint16), ".png")
    data = open_dataset(f"imagefolder:{root}")
    assert data.value_range == (0, expected)
    for path, found in seen(data).items():
        np.testing.assert_allclose(found, values_in(path) / expected, atol=1e-6)


def test_sixteen_bit_colours_keep_their_lower_bits(folder: Any) -> None:
    made: dict[int, Array] = {}

    def make(seed: int) -> Array:
        made[seed] = np.rint(smooth(seed, 4095, 3)).astype(np.uint16)
        return made[seed]

    data = open_dataset(f"imagefolder:{folder(make, '.png')}")
    assert (data.channels, data.value_range) == (3, (0, 4095))
    for path, found in seen(data).items():
        seed = 100 * "ab".index(Path(path).parent.name) + int(Path(path).stem)
        np.testing.assert_allclose(found, made[seed] / 4095, atol=1e-6)


def test_a_range_that_the_file_declares(tmp_path: Path, folder: Any) -> None:
    # Nine significant bits, and the brightest training value is below eight bits: the file knows better.
    dark = folder(lambda seed: np.rint(smooth(seed, 200)).astype(np.uint16), ".png")
    for path in dark.rglob("*.png"):
        write_png(path, np.asarray(Image.open(path))[..., None], bits=9)
    assert open_dataset(f"imagefolder:{dark}").value_range == (0, 511)
    # As the standard has it, values are scaled to 16 bits, and the chunk tells how many there were before.
    scaled = folder(lambda seed: (np.rint(smooth(seed, 4095)) * 16).astype(np.uint16), ".png", "scaled")
    for path in scaled.rglob("*.png"):
        write_png(path, np.asarray(Image.open(path))[..., None], bits=12)
    assert open_dataset(f"imagefolder:{scaled}").value_range == (0, 65535)
    for number, path in enumerate(
        folder(lambda seed: smooth(seed, 9).astype(np.float32), ".tif", "f").rglob("*")
    ):
        if path.is_file():
            Image.fromarray(smooth(number, 9).astype(np.float32)[..., 0]).save(
                path, tiffinfo={340: -10.0, 341: 30.0}
            )
    assert open_dataset(f"imagefolder:{tmp_path / 'f'}").value_range == (-10, 30)


def test_a_range_that_is_stated(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 4095)).astype(np.uint16), ".png")
    data = open_dataset(f"imagefolder:{root}", value_range=(100, 2100))
    assert data.value_range == (100, 2100)
    for path, found in seen(data).items():
        np.testing.assert_allclose(found, ((values_in(path) - 100.0) / 2000).clip(0, 1), atol=1e-6)
    assert "10 images have values beyond the range, which are clipped" in data.notes


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 0.7, (0, 1)), (-0.4, 0.9, (-1, 1)), (-3.5, 1200.25, (-3.5, 1200.25))]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_images(
    folder: Any, low: float, high: float, expected: tuple[float, float], dtype: type
) -> None:
    # Every picture has the extremes, so that the training pictures have.
    root = folder(lambda seed: (low + smooth(seed, high - low)).astype(dtype), ".npy")
    data = open_dataset(f"imagefolder:{root}")
    assert data.value_range == pytest.approx(expected)
    span = expected[1] - expected[0]
    for path, found in seen(data).items():
        np.testing.assert_allclose(found, (values_in(path) - expected[0]) / span, atol=2e-6)


def test_values_that_are_no_numbers_are_unreadable(folder: Any) -> None:
    root = folder(lambda seed: smooth(seed, 1).astype(np.float32), ".npy")
    broken = smooth(0, 1).astype(np.float32)
    broken[3, 4] = np.nan
    np.save(root / "a" / "2.npy", broken)
    data = open_dataset(f"imagefolder:{root}")
    assert data.bad == (f"{root}/a/2.npy: it contains values that are not finite (NaN or infinite)",)


def test_whole_and_floating_point_numbers_do_not_mix(folder: Any) -> None:
    root = folder(lambda seed: smooth(seed, 1).astype(np.float32 if seed % 2 else np.uint16), ".npy")
    with pytest.raises(AutodasError, match=r"others floating-point numbers: state data\.value_range"):
        open_dataset(f"imagefolder:{root}")


@pytest.mark.parametrize("size", [17, 24, 130])
def test_eight_bits_saved_as_sixteen_look_the_same(tmp_path: Path, size: int) -> None:
    values = np.rint(smooth(3, 255, 3, side=200)[:150]).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    write_png(tmp_path / "b.png", values.astype(np.uint16) * 257)
    np.save(tmp_path / "c.npy", values.astype(np.float32) / 255)
    bytes_ = read_image(tmp_path / "a.png", channels=3, image_size=size)
    assert bytes_.dtype == torch.uint8
    for name, value_range in (("b.png", (0, 65535)), ("c.npy", (0, 1)), ("a.png", (0, 65535))):
        found = read_image(tmp_path / name, channels=3, image_size=size, value_range=value_range)
        assert found.dtype == torch.float32
        # Bytes are rounded after each of two passes.
        assert (found - bytes_.float()).abs().max() <= 1.01


def test_pictures_of_eight_bits_among_deeper_ones(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 4095)).astype(np.uint16), ".png")
    byte = np.rint(smooth(9, 255)).astype(np.uint8)
    Image.fromarray(byte[..., 0]).save(root / "a" / "0.png")
    Image.fromarray(byte[..., 0]).save(root / "a" / "1.png")
    data = open_dataset(f"imagefolder:{root}")
    assert "images of 8 bits are read as 0..255, not as 0..4095" in data.notes
    found = [v for path, v in seen(data).items() if values_in(path).dtype == np.uint8]
    assert found
    for values in found:
        np.testing.assert_allclose(values, byte / 255, atol=1e-6)


def test_transparent_pixels_of_sixteen_bits_are_white(tmp_path: Path) -> None:
    values = np.zeros((4, 4, 4), np.uint16)
    values[..., :3] = (1000, 2000, 3000)
    values[..., 3] = np.array([0, 65535, 32768, 65535], np.uint16)
    write_png(tmp_path / "rgba.png", values)
    found = read_image(tmp_path / "rgba.png", channels=3, image_size=4, value_range=(0, 65535))[:, 0]
    own = np.array([1000, 2000, 3000]) / 65535 * 255
    half = 32768 / 65535
    np.testing.assert_allclose(found[:, 0], [255, 255, 255], atol=1e-3)
    np.testing.assert_allclose(found[:, 1], own, atol=1e-3)
    np.testing.assert_allclose(found[:, 2], half * own + (1 - half) * 255, atol=1e-3)
    grey = np.stack([np.full((4, 4), 500), values[..., 3]], -1)
    write_png(tmp_path / "la.png", grey)
    found = read_image(tmp_path / "la.png", channels=1, image_size=4, value_range=(0, 1000))[0, 0]
    np.testing.assert_allclose(found[:2], [255, 127.5], atol=1e-3)
    write_png(tmp_path / "key.png", values[..., :3], clear=(1000, 2000, 3000))
    found = read_image(tmp_path / "key.png", channels=3, image_size=4, value_range=(0, 65535))
    assert (found == 255).all()


def test_a_network_of_eight_bits_refuses_deeper_pictures(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.full((8, 8, 1), 3000))
    with pytest.raises(
        AutodasError, match=r"its values are uint16, 8 bits are expected: state their value_range"
    ):
        read_image(tmp_path / "a.png", channels=1, image_size=8)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            lambda seed: np.rint(smooth(seed, 16)).astype(np.uint8),
            "uses more than 6.3 % of the range",
        ),
        (lambda seed: np.full((24, 24, 1), seed % 100, np.uint8), "training images has one value only"),
    ],
)
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_pictures_that_are_nearly_black_are_told(folder: Any, values: Any, says: str, storage: str) -> None:
    notes = open_dataset(f"imagefolder:{folder(values, '.png')}", storage=storage).notes
    assert any(says in note for note in notes)


def test_usual_pictures_have_no_notes(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 255, 3)).astype(np.uint8), ".png")
    data = open_dataset(f"imagefolder:{root}")
    assert not any(word in note for note in data.notes for word in ("range", "channel", "size", "several"))
    assert data.value_range is None


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_of_five_bands(tmp_path: Path, planar: str, dtype: type) -> None:
    tifffile = pytest.importorskip("tifffile")
    high = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    bands = {}
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(5):
            values = smooth(i, high, 5)
            bands[c, i] = (values if dtype == np.float32 else np.rint(values)).astype(dtype)
            stored = bands[c, i] if planar == "contig" else np.moveaxis(bands[c, i], 2, 0)
            tifffile.imwrite(tmp_path / c / f"{i}.tif", stored, photometric="minisblack", planarconfig=planar)
    data = open_dataset(f"imagefolder:{tmp_path}")
    assert data.channels == len(data.mean) == 5
    for path, found in seen(data).items():
        expected = bands[Path(path).parent.name, int(Path(path).stem)]
        np.testing.assert_allclose(found, expected / high, atol=1e-6)
    assert data.train.read(0).shape == (24, 24, 3)


def test_bands_that_pillow_would_drop(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.rint(smooth(0, 255, 4)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "infrared.tif", values, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(
        square(open_image(str(tmp_path / "infrared.tif")).decode(Form(4)).pixels, 24), values
    )
    # With transparency it is a picture of three channels, as everywhere.
    tifffile.imwrite(tmp_path / "clear.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    assert open_image(str(tmp_path / "clear.tif")).header.channels == 3
    # Microscopes' programs store channels as pages, and say so.
    deep = np.rint(smooth(0, 4095, 3)).astype(np.uint16)
    for name, options in (("ij.tif", {"imagej": True}), ("cells.ome.tif", {})):
        tifffile.imwrite(tmp_path / name, np.moveaxis(deep, 2, 0), metadata={"axes": "CYX"}, **options)
        np.testing.assert_array_equal(open_image(str(tmp_path / name)).values().array, deep)


@pytest.mark.parametrize("how", range(1, 9))
def test_orientation_of_tiff_bands(tmp_path: Path, how: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.arange(5 * 6 * 7, dtype=np.uint16).reshape(5, 6, 7)
    tags = [(274, 3, 1, how, True)]
    tifffile.imwrite(
        tmp_path / "x.tif", values, photometric="minisblack", planarconfig="contig", extratags=tags
    )
    found = open_image(str(tmp_path / "x.tif")).values().array
    plain = Image.fromarray(values[..., 0].astype(np.int32))
    turn = [None, None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270"]
    method = [*turn, "TRANSVERSE", "ROTATE_90"][how]
    expected = plain if method is None else plain.transpose(Image.Transpose[method])
    np.testing.assert_array_equal(found[..., 0], np.asarray(expected))


@pytest.mark.parametrize("how", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation_of_grey_tiff_that_is_not_compressed(tmp_path: Path, how: int, dtype: type) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.arange(20 * 24).reshape(20, 24).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, extratags=[(274, 3, 1, how, True)])
    for place in (str(tmp_path / "x.tif"), (tmp_path / "x.tif").read_bytes()):
        found = open_image(place).values().array[..., 0]
        np.testing.assert_array_equal(found, turned(values, how))


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint32", 0, 2**32 - 1), ("int8", -128, 127), ("int16", -(2**15), 2**15 - 1)]
)
def test_whole_numbers_that_pillow_takes_for_others(tmp_path: Path, dtype: str, low: int, high: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.linspace(low, high, 64).astype(dtype).reshape(8, 8)
    tifffile.imwrite(tmp_path / "x.tif", values)
    np.testing.assert_array_equal(open_image(str(tmp_path / "x.tif")).values().array[..., 0], values)
    found = read_image(tmp_path / "x.tif", channels=1, image_size=8, value_range=(low, high))
    expected = (values.astype(np.float64) - low) / (high - low) * 255
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-3)


def test_grey_tiff_whose_transparency_is_multiplied(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.zeros((8, 8, 2), np.uint8)
    values[:4] = (60, 255)
    values[4:] = (30, 128)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", extrasamples=["assocalpha"])
    found = read_image(tmp_path / "x.tif", channels=1, image_size=8)[0].numpy()
    assert (found[:4] == 60).all()
    np.testing.assert_allclose(found[4:], 30 + 255 - 128, atol=2)  # the rest is white


@pytest.mark.slow
def test_nothing_is_logged_on_the_terminal(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8, 9), np.uint8), planarconfig="contig")
    program = "import sys; from autodas.data import read_image; "
    program += "read_image(sys.argv[1], channels=9, image_size=8)"
    words = [sys.executable, "-c", program, str(tmp_path / "x.tif")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.slow
def test_orientation_that_stands_behind_the_pixels(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).integers(0, 65536, (10, 14, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "x.png"), values[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    content = (tmp_path / "x.png").read_bytes()
    place = content.rindex(b"IEND") - 4
    (tmp_path / "x.png").write_bytes(content[:place] + chunk + content[place:])
    found = open_image(str(tmp_path / "x.png")).values().array
    np.testing.assert_array_equal(found, turned(values, 6))


def test_a_damaged_tiff_and_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tifffile").imwrite(
        tmp_path / "x.tif", np.zeros((8, 8, 5), np.uint16), planarconfig="contig"
    )
    (tmp_path / "short.tif").write_bytes((tmp_path / "x.tif").read_bytes()[:60])
    with pytest.raises(AutodasError, match=r"short\.tif: cannot be read as an image"):
        read_image(tmp_path / "short.tif", channels=5, image_size=8, value_range=(0, 1))
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(AutodasError, match=r"needs the package tifffile: pip install 'autodas\[tiff\]'"):
        read_image(tmp_path / "x.tif", channels=5, image_size=8, value_range=(0, 1))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("decoder error -2 when reading image file", "damaged: decoder error -2 when reading image file"),
        ("-2", "damaged: decoder error -2"),
        ("image file is truncated", "image file is truncated"),
        ("", "OSError"),
    ],
)
def test_what_decoders_say(said: str, reason: str) -> None:
    assert reason_of(OSError(said)) == reason


def test_arrays_of_numpy_as_files(tmp_path: Path) -> None:
    def refused(array: Array, message: str) -> None:
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(AutodasError, match=message):
            read_image(tmp_path / "x.npy", channels=3, image_size=8)

    refused(np.zeros((3, 16, 16), np.uint8), "put the channels last")
    refused(np.zeros((2, 3, 4, 5), np.uint8), r"numbers of shape \(H, W\) or \(H, W, C\) are expected")
    refused(np.zeros((8, 8), np.complex64), "found complex64")
    np.save(tmp_path / "x.npy", np.array([["a"]], dtype=object), allow_pickle=True)
    with pytest.raises(AutodasError, match="cannot be read as an image"):
        read_image(tmp_path / "x.npy", channels=3, image_size=8)
    np.save(tmp_path / "x.npy", np.eye(8, dtype=bool))
    found = read_image(tmp_path / "x.npy", channels=1, image_size=8)
    np.testing.assert_array_equal(found[0].numpy(), 255 * np.eye(8))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float16, np.float32, np.float64, bool])
@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_arrays_of_any_depth_and_channels(
    monkeypatch: pytest.MonkeyPatch, dtype: type, channels: int
) -> None:
    high = {bool: 1, np.float16: 1, np.float32: 1, np.float64: 1}.get(dtype, 20000)  # type: ignore[call-overload]
    images = np.stack([smooth(seed, high, channels, 8) for seed in range(6)])
    images = (images > 0.5 if dtype is bool else images).astype(dtype)
    module = type(json)("deep_data")
    module.load = lambda split: (images, [0, 1] * 3)  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "deep_data", module)
    data = open_dataset("python:deep_data:load")
    assert data.channels == channels
    assert data.train.pixels is not None
    top = 65535 if high == 20000 else 1
    found = data.train.pixels.permute(0, 2, 3, 1).numpy() / 255
    np.testing.assert_allclose(found, images.astype(np.float64) / top, atol=1e-6)


@pytest.mark.slow
def test_channels_one_and_three(folder: Any) -> None:
    colours = folder(lambda seed: np.rint(smooth(seed, 255, 3)).astype(np.uint8), ".png", "colours")
    data = open_dataset(f"imagefolder:{colours}", channels=1)
    assert (data.channels, data.train.channels) == (1, 1)
    assert "colours are converted to grey values: one channel" in data.notes
    for path, found in seen(data).items():
        np.testing.assert_array_equal(found[..., 0] * 255, np.asarray(Image.open(path).convert("L")))
    grey = folder(lambda seed: np.rint(smooth(seed, 4095)).astype(np.uint16), ".png", "grey")
    data = open_dataset(f"imagefolder:{grey}", channels=3)
    assert data.channels == 3
    assert "grey values are repeated: three channels" in data.notes
    for path, found in seen(data).items():
        np.testing.assert_allclose(found, np.repeat(values_in(path) / 4095, 3, 2), atol=1e-6)
    assert open_dataset("digits", channels=3).train.pixels.shape[1] == 3  # type: ignore[union-attr]
    with pytest.raises(AutodasError, match="it has 3 channels, 5 are expected"):
        open_dataset(f"imagefolder:{colours}", channels=5)


def test_augmentation_of_deep_pixels_equals_that_of_bytes() -> None:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8))
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(6))
    for augmentation, tolerance in (
        (Augmentation(crop_padding=3, flip=True, cutout=5), 1e-5),
        (Augmentation(random_resized_crop=True), 0.51 / 255),
        (Augmentation(color_jitter=0.4), 5 / 255),  # Bytes are rounded after each of four steps.
    ):
        both = [
            finish(p, keys, augmentation, size=16, mean=(0,) * 3, std=(1,) * 3, cropped=False)
            for p in (pixels, pixels.float())
        ]
        assert (both[0] - both[1]).abs().max() <= tolerance
        assert (both[1].mean() - both[0].mean()).abs() < 2e-3
    before = pixels.float()
    finish(before, keys, None, size=20, mean=(0.5,) * 3, std=(0.1,) * 3, cropped=False)
    assert torch.equal(before, pixels.float())  # Normalisation is not in place.


def test_jitter_of_deep_pixels_is_not_rounded() -> None:
    pixels = torch.rand(3, 8, 8, 5) * 255
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(3))
    found = jitter(pixels, keys, 0.5)
    assert found.dtype == torch.float32
    assert len(found.unique()) > 500
    alone = torch.cat([jitter(pixels[i : i + 1], keys[i : i + 1], 0.5) for i in range(3)])
    assert torch.equal(found, alone)


def test_two_channels_of_pictures_are_not_flow() -> None:
    pixels = torch.full((40, 4, 4, 2), 50, dtype=torch.uint8)
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(40))
    found = finish(pixels, keys, Augmentation(flip=True), size=4, mean=(0, 0), std=(1, 1), cropped=False)
    assert torch.equal(found, torch.full_like(found, 50 / 255))


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_tiff_in_which_white_is_zero(tmp_path: Path, bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    values = np.rint(smooth(0, 2**bits - 1)).astype(dtype)
    pytest.importorskip("tifffile").imwrite(tmp_path / "x.tif", values[..., 0], photometric="miniswhite")
    found = read_image(tmp_path / "x.tif", channels=1, image_size=24, value_range=(0, 2**bits - 1))[0].numpy()
    np.testing.assert_allclose(found, (1 - values[..., 0] / (2**bits - 1)) * 255, atol=1e-3)


def test_colours_of_every_kind(tmp_path: Path) -> None:
    values = np.rint(smooth(0, 255, 3)).astype(np.uint8)
    image = Image.fromarray(values)
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    # Pillow reads it without compression from version 13 on.
    compression = "raw" if Version(version("pillow")) >= Version("13") else "tiff_lzw"
    image.convert("YCbCr").save(tmp_path / "y.tif", compression=compression)
    Image.fromarray(values[..., 0] > 128).save(tmp_path / "one.png")
    for name, expected, off in (
        ("cmyk.tif", values, 2),
        ("y.tif", values, 3),
        ("one.png", np.repeat(255 * (values[..., :1] > 128), 3, 2), 0),
    ):
        found = read_image(tmp_path / name, channels=3, image_size=24).permute(1, 2, 0).numpy()
        assert abs(found.astype(int) - expected).max() <= off
    # Pure red in CIELAB: L 53.2, a 80.1, b 67.2 (sRGB, D50-adapted values are near).
    lab = Image.merge("LAB", [Image.new("L", (8, 8), v) for v in (138, 81 + 128, 70 + 128)])
    lab.save(tmp_path / "lab.tif")
    red = read_image(tmp_path / "lab.tif", channels=3, image_size=8)[:, 4, 4].tolist()
    assert red[0] > 240
    assert max(red[1:]) < 40


def test_the_size_is_that_of_most_images(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 255, 3, side=32)).astype(np.uint8), ".png", count=12)
    Image.fromarray(np.rint(smooth(0, 255, 3, side=400)).astype(np.uint8)).save(root / "a" / "large.png")
    data = open_dataset(f"imagefolder:{root}")
    assert data.image_size == 32
    assert any(
        "short sides of 32 to 400 pixels, the median is 32, the network sees 32" in n for n in data.notes
    )


def test_large_photographs_are_decoded_smaller(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    photo = coarse.resize((1600, 1200), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "x.jpg", quality=95, exif=exif)
    picture = open_image(str(tmp_path / "x.jpg"))
    assert picture.shown_size == (1600, 1200)
    decoded = picture.decode(Form(3), 1200 / (2 * 64))
    assert decoded.reduction == 8
    assert decoded.pixels.size == (150, 200)  # type: ignore[union-attr]  # upright, at least twice 64
    view = decoded_view(open_image(str(tmp_path / "x.jpg")), Form(3), 64).astype(int)
    whole = np.asarray(Image.open(tmp_path / "x.jpg").transpose(Image.Transpose.ROTATE_270))
    expected = square(Image.fromarray(whole), 64).astype(int)
    assert abs(view - expected).mean() < 1.5
    assert abs(view - expected).max() < 12


@pytest.mark.slow
def test_crops_of_large_photographs_keep_their_place(tmp_path: Path) -> None:
    from autodas.data.augmentation._crops import random_boxes

    across, down = np.meshgrid(np.arange(1600) * 255 / 1599, np.arange(1200) * 255 / 1199)
    ramp = np.stack([across, down, 0 * across], -1).round().astype(np.uint8)
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(3):
            Image.fromarray(ramp).save(tmp_path / c / f"{i}.jpg", quality=95)
    data = open_dataset(f"imagefolder:{tmp_path}", image_size=96, storage="stream")
    augmentation = Augmentation(random_resized_crop=True)
    for number in range(12):
        key = sample_keys(AUGMENTATION, number, 0, torch.arange(1))[0]
        view = data.train.training_view(0, key, augmentation).astype(float)
        top, left, height, width = random_boxes(key[None], np.array([1200]), np.array([1600]))[0]
        assert view[..., 0].mean() == pytest.approx((left + width / 2) * 255 / 1600, abs=1.5)
        assert view[..., 1].mean() == pytest.approx((top + height / 2) * 255 / 1200, abs=1.5)


def test_files_with_several_pictures_are_told(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 255)).astype(np.uint8), ".tif")
    pages = [Image.fromarray(np.full((24, 24), v, np.uint8)) for v in (10, 200)]
    pages[0].save(root / "a" / "0.tif", save_all=True, append_images=pages[1:])
    assert (
        "1 image files contain several images: the first of each is read"
        in open_dataset(f"imagefolder:{root}").notes
    )


def test_check_tells_depths_and_kinds(folder: Any) -> None:
    root = folder(lambda seed: np.rint(smooth(seed, 4095)).astype(np.uint16), ".png", count=10)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(root / "a" / "1.jpg", exif=exif)
    for i in range(4):
        (root / "b" / f"broken{i}.png").write_bytes(b"nothing")
    facts = check_dataset(f"imagefolder:{root}", decode=True)
    assert facts["value_range"] == [0, 4095]
    both = [facts["train"], facts["test"]]
    totals = {
        key: {name: sum(part[key].get(name, 0) for part in both) for part in both for name in part[key]}
        for key in ("kinds", "values", "channels")
    }
    assert totals == {
        "kinds": {"PNG": 20, "JPEG": 1},
        "values": {"uint16": 20, "uint8": 1},
        "channels": {1: 20, 3: 1},
    }
    assert sum(part["turned"] for part in both) == 1
    assert len(facts["bad"]) == 4
    assert facts["damaged"] == []
    assert any(
        "4 of 25 images cannot be read, other commands accept 1" in w and "`data.max_bad=0.16`" in w
        for w in facts["warnings"]
    )


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_transparent_tiff_of_sixteen_bits_is_put_on_white(tmp_path: Path, kind: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    colour, alpha = np.array([40000, 20000, 10000]), 32768 / 65535
    stored = colour if kind == "unassalpha" else np.rint(colour * alpha)
    values = np.tile(np.append(stored, 32768), (6, 6, 1)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=[kind])
    found = read_image(tmp_path / "x.tif", channels=3, image_size=6, value_range=(0, 65535))[:, 0, 0]
    expected = alpha * colour / 65535 * 255 + (1 - alpha) * 255
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_bytes_of_images_may_be_deep_too() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), 4000, np.uint16)).save(stream, "PNG")
    assert open_image(stream.getvalue()).header.dtype == "uint16"
    assert open_image(stream.getvalue()).values().array.max() == 4000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("name", "part", "readable"), [("x.jp2", b"jp2h", False), ("x.png", b"IDAT", True)])
def test_a_header_that_claims_to_be_huge_takes_no_memory(
    name: str, part: bytes, readable: bool, tmp_path: Path
) -> None:
    """All pixels of the PNG are there, whatever length it claims for them."""
    resource = pytest.importorskip("resource")
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    place = content.index(part) - 4
    (tmp_path / name).write_bytes(content[:place] + b"\xff\xff\xff\x00" + content[place + 4 :])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30), before[1]))
    try:
        with nullcontext() if readable else pytest.raises(AutodasError, match="cannot be read as an image"):
            read_image(tmp_path / name, channels=3, image_size=8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
