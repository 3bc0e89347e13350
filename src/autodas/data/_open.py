"""The registry of data sets: to add one, write a function and an entry here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from autodas.data._assemble import assemble
from autodas.data._assemble_videos import assemble_videos
from autodas.data._dataset import ImageDataset
from autodas.data._notes import notes_of
from autodas.data.pixels._sources import Source
from autodas.data.sets._cifar import read_cifar10, read_cifar100
from autodas.data.sets._digits import read_digits
from autodas.data.sets._evaluation import for_evaluation
from autodas.data.sets._hmdb51 import read_hmdb51
from autodas.data.sets._hub import read_hub
from autodas.data.sets._identities import for_retrieval
from autodas.data.sets._image_folder import read_folder
from autodas.data.sets._image_lists import read_image_lists
from autodas.data.sets._kinetics import read_kinetics10, read_kinetics400
from autodas.data.sets._lists import read_lists
from autodas.data.sets._market1501 import read_market1501
from autodas.data.sets._moving_digits import read_moving_digits
from autodas.data.sets._parquet import read_parquet
from autodas.data.sets._python import read_python
from autodas.data.sets._ucf101 import read_ucf101
from autodas.data.sets._video_folder import read_video_folder
from autodas.data.sets._video_sets import raw_videos
from autodas.data.splits._images import Images
from autodas.data.splits._parts import RawDataset, RawVideos
from autodas.data.splits._videos import Videos
from autodas.data_options import DataOptions
from autodas.detection_options import LAYOUTS
from autodas.errors import AutodasError, nearest

_VIDEO_OPTIONS = ("frames", "frame_step", "fps", "sampling", "starts", "modality", "flow")


@dataclass(frozen=True)
class Kind:
    """Kind of data set.

    Args:
        read: function from the text after the colon of the name (possibly empty) to images or videos.
        what: description in one line.
        how: syntax of its names.
        videos: whether it contains videos, not images.
        any_task: whether its labels are the user's own, for any task; then ``read`` also takes the options.
    """

    read: Callable[..., RawDataset[Source] | RawVideos]
    what: str
    how: str
    videos: bool = False
    any_task: bool = False


REGISTRY: dict[str, Kind] = {
    "digits": Kind(
        read_digits, "1,797 real handwritten digits, 8x8 grey, 10 classes; needs no download", "digits"
    ),
    "cifar10": Kind(
        read_cifar10,
        "CIFAR-10, 32x32 RGB, from Parquet files or the official python batches",
        "cifar10:PATH, or cifar10 with the files in $AUTODAS_DATA/cifar10 or ./data/cifar10",
    ),
    "cifar100": Kind(
        read_cifar100,
        "CIFAR-100, 32x32 RGB, from Parquet files or the official python batches",
        "cifar100:PATH, or cifar100 with the files in $AUTODAS_DATA/cifar100 or ./data/cifar100",
    ),
    "imagefolder": Kind(
        read_folder,
        "image files in one folder a class, or in several; with train/ and test/ (or val/), or split 80/20",
        "imagefolder:PATH",
        any_task=True,
    ),
    "imagelist": Kind(
        read_image_lists,
        "list files of images: lines of a path and its label, labels or numbers, or csv with a header",
        "imagelist:LIST, imagelist:LIST#ROOT or imagelist:FOLDER with train.txt and test.txt (or .csv)",
        any_task=True,
    ),
    "parquet": Kind(
        read_parquet,
        "Parquet files with an image column and columns of labels; train-* and test-* files, or split 80/20",
        "parquet:FILE or parquet:FOLDER",
        any_task=True,
    ),
    "python": Kind(
        read_python,
        "your own function: fn('train') and fn('test') return arrays (images, labels) or a torch Dataset",
        "python:package.module:function",
        any_task=True,
    ),
    "market1501": Kind(
        read_market1501,
        "Market-1501, persons seen by several cameras, for the task embedding; also other data in its layout",
        "market1501:PATH",
        any_task=True,
    ),
    "moving-digits": Kind(
        read_moving_digits,
        "clips of moving handwritten digits, labelled by how they move; needs no download",
        "moving-digits",
        videos=True,
    ),
    "videofolder": Kind(
        read_video_folder,
        "video files (or folders of frames) in one folder a class; with train/ and test/ (or val/), or split "
        "80/20 (extra autodas[video])",
        "videofolder:PATH",
        videos=True,
        any_task=True,
    ),
    "videolist": Kind(
        lambda rest, options: raw_videos(read_lists(rest, "videolist", Videos.what, options)),
        "list files of videos: lines 'path label', or csv with a header (extra autodas[video])",
        "videolist:LIST, videolist:LIST#ROOT or videolist:FOLDER with train.txt and test.txt (or .csv)",
        videos=True,
        any_task=True,
    ),
    "ucf101": Kind(
        lambda rest: raw_videos(read_ucf101(rest)),
        "UCF101 with its official lists, 101 classes (extra autodas[video])",
        "ucf101:PATH or ucf101:PATH#SPLIT with a split 1 to 3",
        videos=True,
    ),
    "hmdb51": Kind(
        lambda rest: raw_videos(read_hmdb51(rest)),
        "HMDB51 with its official lists, 51 classes (extra autodas[video])",
        "hmdb51:PATH or hmdb51:PATH#SPLIT with a split 1 to 3",
        videos=True,
    ),
    "kinetics400": Kind(
        lambda rest: raw_videos(read_kinetics400(rest)),
        "Kinetics-400 with its official lists, or class folders (extra autodas[video])",
        "kinetics400:PATH",
        videos=True,
    ),
    "kinetics10": Kind(
        lambda rest: raw_videos(read_kinetics10(rest)),
        "ten categories merged from Kinetics classes, as in the SDAS paper (extra autodas[video])",
        "kinetics10:PATH",
        videos=True,
    ),
    "hf": Kind(
        read_hub,
        "a data set of the Hugging Face hub (extra autodas[hf])",
        "hf:NAME or hf:NAME:CONFIG",
        any_task=True,
    ),
}


def open_dataset(
    name: str, options: DataOptions | None = None, *, seed: int = 0, **changes: Any
) -> ImageDataset:
    """Open a data set; classes, channels and sizes are inferred from it.

    Images are resized so that the short side is ``image_size`` (from 128 on: 256/224 of it), and the centre
    is cropped; the short side of frames becomes 128/112 of it.

    Args:
        name: name such as ``digits``, ``cifar10:PATH``, ``imagefolder:PATH``, ``videofolder:PATH``; see
            :func:`dataset_names`.
        options: how to read it; by default ``DataOptions()``.
        seed: seed of the choice of the subset.
        changes: fields of :class:`~autodas.data_options.DataOptions` that override those of ``options``:
            ``open_dataset("digits", image_size=16)``.

    Raises:
        AutodasError: if the name is unknown, the data are missing or malformed, too many samples are
            unreadable, or an option is for data of another kind.
        TypeError: if there is no such option.

    Examples:
        >>> import autodas
        >>> digits = autodas.open_dataset("digits", image_size=16)
        >>> digits.classes[:3], digits.channels, len(digits.train.labels)
        (('0', '1', '2'), 1, 1437)
    """
    options = replace(options or DataOptions(), **changes)
    raw = _read(name, options)
    if options.answers == "embedding" or raw.task == "embedding":
        raw = for_retrieval(name, raw, options, train=True)
    elif options.test_classes:
        raise AutodasError(f"{name}: data.test_classes is for `task=embedding`: omit it")
    if raw.train is None:
        raise AutodasError(f"{name}: there are only test {_what(raw)}, there is nothing to train with")
    if raw.refusal is not None and not options.classes:
        raise AutodasError(raw.refusal)
    return _assemble(name, raw, options, seed)


def open_test_set(
    name: str, known: Sequence[str], options: DataOptions | None = None, **changes: Any
) -> ImageDataset:
    """Open a data set to evaluate a network on it: its test split, or all of it if it has no splits.

    Training samples are neither required nor read, and ``train`` of the result is empty. The data may contain
    samples of only some of the classes.

    Args:
        name, options, changes: as in :func:`open_dataset`.
        known: classes of the network; labels are their indices.

    Raises:
        AutodasError: as in :func:`open_dataset`, and if there are samples of any other class.
    """
    options = replace(options or DataOptions(), **changes)
    raw = _read(name, options)
    if options.answers == "embedding":
        raw = for_retrieval(name, raw, options, train=False)
    evaluated: RawDataset[Any] = for_evaluation(name, raw, known, options, _what(raw))
    return _assemble(name, evaluated, options, 0)


def _read(name: str, options: DataOptions) -> RawDataset[Source] | RawVideos:
    """Return the undecoded samples."""
    kind, rest = _kind(name)
    if not kind.videos:
        _check_image_options(name, options)
    if options.answers == "embedding" and kind.read is not read_market1501:
        options = replace(options, task="classification")  # whose classes become identities
    if kind.any_task:
        return kind.read(rest, options)
    if options.answers not in ("auto", "classification"):
        raise AutodasError(f"{name}: its samples have one class each: omit `task={options.task}`")
    if options.targets:
        raise AutodasError(f"{name}: it has no columns of which `data.targets` could name some: omit it")
    return kind.read(rest)


def _what(raw: RawDataset[Any]) -> str:
    return Videos.what if isinstance(raw, RawVideos) else Images.what


def _assemble(name: str, raw: RawDataset[Any], options: DataOptions, seed: int) -> ImageDataset:
    if isinstance(raw, RawVideos):
        dataset = assemble_videos(name, raw, options, seed=seed)
    else:
        dataset = assemble(name, raw, options, seed=seed)
    dataset = replace(dataset, options=options)
    split = raw.train is not None and raw.test is None
    added = notes_of(dataset, split_here=split, well_known=raw.fixed is not None)
    return replace(dataset, notes=(*dataset.notes, *added))


def _check_image_options(name: str, options: DataOptions) -> None:
    """Raise AutodasError for options that are only for videos."""
    for field in fields(DataOptions):
        if field.name in _VIDEO_OPTIONS and getattr(options, field.name) != field.default:
            raise AutodasError(f"{field.name} is for videos, but '{name}' contains images: omit it")
    if options.storage == "compressed":
        raise AutodasError(f"storage compressed is for videos, but '{name}' contains images: omit it")


def holds_videos(name: str) -> bool:
    """Return whether a data set contains videos, not images; it is not opened.

    Args:
        name: as in :func:`open_dataset`.

    Raises:
        AutodasError: if the name is unknown.
    """
    return _kind(name)[0].videos


def _kind(name: str) -> tuple[Kind, str]:
    """Return the kind of a data set, and the text after the colon of its name."""
    kind, _, rest = name.partition(":")
    if kind in LAYOUTS:
        raise AutodasError(f"{name} holds images with boxes, which are for `task=detection`")
    if kind not in REGISTRY:
        if os.path.exists(name):
            hint = "parquet" if os.path.isfile(name) else "imagefolder"
            raise AutodasError(f"'{name}' is a path, not a data set: write {hint}:{name}")
        raise AutodasError(f"unknown data set '{kind}'{nearest(kind, list(REGISTRY))}")
    return REGISTRY[kind], rest


def dataset_names() -> list[dict[str, str]]:
    """Return the kinds of data sets: ``name``, ``what`` it is, ``how`` to write it."""
    return [{"name": name, "what": kind.what, "how": kind.how} for name, kind in REGISTRY.items()]
