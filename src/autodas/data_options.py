"""Options of data sets, shared by the library and the commands. No torch, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from autodas.errors import AutodasError, nearest
from autodas.user_code import import_named, is_user_code

TaskName = Literal["classification", "multilabel", "regression", "embedding"]
"""What a network answers for a sample: its class, all of its labels, numbers, or a vector for retrieval."""
Balance = Literal["none", "weights", "sampler"]
Modality = Literal["rgb", "flow"]
"""Input of a network for videos: RGB frames, or the optical flow between frames."""
Storage = Literal["auto", "memory", "stream", "cache", "compressed"]
Sampling = Literal["dense", "sparse"]
Starts = Literal["random", "grid"]
Flow = Literal["tvl1", "dis"]


def transient(default: Any, **metadata: Any) -> Any:
    """Return a field that affects how a command runs and not its results; it is not saved with the run."""
    return field(default=default, metadata={"saved": False, **metadata})


@dataclass(frozen=True)
class DataOptions:
    """Options of reading a data set.

    Every field is an argument of :func:`autodas.open_dataset` and, with the prefix ``--data.``, an option of
    commands (``task`` without it).

    Args:
        task: what the network answers: classification (one class), multilabel (any number of labels),
            regression (numbers), embedding (a vector that is close to those of the same class, for retrieval;
            only train); auto: as the data have lists of labels, fractional numbers, or one class; or
            python:package.module:Class for one of your own.
        targets: columns of a list or of Parquet files with the answers, such as angle,scale; by default the
            column of labels, else all numeric columns.
        balance: for classes of different sizes: weights in the loss of the weights, or a sampler that draws
            all classes equally often.
        classes: use only these classes, such as archery,biking; by default all.
        test_classes: for embeddings, the classes to test with, such as those that are not trained; by default
            the same.
        image_size: height and width of the network's input in pixels, 4 to 2048. By default images keep their
            size if all are squares of one size up to 64; otherwise it is the median short side, at most 224,
            rounded down to a multiple of 8; for videos at most 112.
        max_image_size: upper limit of the default image_size.
        channels: channels of the network's input: 1 converts colours to grey values, 3 repeats grey values;
            by default those of the data.
        value_range: values of black and white, such as 0,4095. By default 0,255 for 8 bits, otherwise the
            range declared in the files, or that of the training data.
        subset: use only this many training samples, in proportion to the classes and at least 2 per class.
        groups: keep samples of one group on the same side of every split: a column of the list, or a regular
            expression to search for in the path, such as _g(\\d+)_, whose match (its first group, if it has
            one) names the group.
        max_bad: largest share of unreadable samples, in [0, 1]; these are skipped and reported.
        storage: memory, stream (read files when needed), or auto: images in memory below 2 GiB per split, and
            stored on disk if decoding them takes long; videos streamed. cache decodes images and videos once
            into files; compressed does so for videos in a tenth of the space, with small errors.
        frames: frames of a clip; by default 16.
        frame_step: distance between consecutive frames of a clip, in frames of the video; by default 1.
        fps: frame rate of clips, independent of that of the video; by default every frame_step-th frame of
            the video is used.
        sampling: dense takes consecutive frames; sparse divides the video into as many segments as a clip
            has frames and takes one frame from each.
        starts: positions of training clips: random, or on the grid of non-overlapping clips (SDAS, 5.2).
        modality: input from videos: rgb, or flow (optical flow, computed once and stored).
        flow: method of the optical flow: tvl1 (of the two-stream papers), or dis (a hundred times faster).
        cache: folder for stored frames, flow and decoded images; by default ~/.cache/autodas/frames.

    Raises:
        AutodasError: if a value is out of range, or two values are mutually exclusive.
    """

    task: Literal["auto", TaskName] | str = field(default="auto", metadata={"flag": "task"})
    targets: tuple[str, ...] = ()
    balance: Balance = "none"
    classes: tuple[str, ...] = ()
    test_classes: tuple[str, ...] = ()
    image_size: int | None = None
    max_image_size: int | None = None
    channels: int | None = None
    value_range: tuple[float, float] | None = None
    subset: int | None = None
    groups: str | None = None
    max_bad: float = 0.01
    storage: Storage = "auto"
    frames: int | None = None
    frame_step: int | None = None
    fps: float | None = None
    sampling: Sampling = "dense"
    starts: Starts = "random"
    modality: Modality = "rgb"
    flow: Flow = "tvl1"
    cache: str | None = transient(None)

    def __post_init__(self) -> None:
        for name in ("image_size", "max_image_size"):
            pixels = getattr(self, name)
            if pixels is not None and not 4 <= pixels <= 2048:
                raise AutodasError(f"{name} must be between 4 and 2048 pixels, found {pixels}")
        if self.channels is not None and not 1 <= self.channels <= 1024:
            raise AutodasError(f"channels must be between 1 and 1024, found {self.channels}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise AutodasError(f"value_range must ascend, found {self.value_range[0]},{self.value_range[1]}")
        if not 0 <= self.max_bad <= 1:
            raise AutodasError(f"max_bad must be between 0 and 1, found {self.max_bad}")
        for name in ("frames", "frame_step"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise AutodasError(f"{name} must be at least 1, found {count}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise AutodasError(f"fps must be above 0 and at most 1000, found {self.fps}")
        if self.fps is not None and self.frame_step is not None:
            raise AutodasError("fps and frame_step are mutually exclusive: leave one of them out")
        if self.sampling == "sparse" and (self.fps is not None or self.frame_step is not None):
            raise AutodasError(
                "sampling sparse spreads the frames of a clip over the whole video: leave out fps "
                "and frame_step"
            )
        for name, known in (
            ("task", ("auto", *get_args(TaskName))),
            ("balance", get_args(Balance)),
            ("storage", get_args(Storage)),
            ("sampling", get_args(Sampling)),
            ("starts", get_args(Starts)),
            ("modality", get_args(Modality)),
            ("flow", get_args(Flow)),
        ):
            value = getattr(self, name)
            if value not in known and not (name == "task" and is_user_code(value)):
                raise AutodasError(f"unknown {name} '{value}'{nearest(value, list(known))}")

    @property
    def answers(self) -> Literal["auto", TaskName]:
        """Task whose answers are read: for one of the user's own the task that it extends.

        Raises:
            AutodasError: if there is no such class, or it extends none.
        """
        if not is_user_code(self.task):
            return cast(Literal["auto", TaskName], self.task)
        name = getattr(import_named(self.task, f"task '{self.task}'"), "name", None)
        if name not in get_args(TaskName):
            raise AutodasError(
                f"task '{self.task}' extends none of {', '.join(get_args(TaskName))}: write a subclass of "
                "one of their classes in autodas.loop.tasks, and keep its name"
            )
        return cast(TaskName, name)
