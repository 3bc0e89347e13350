"""Parts of configurations shared by several commands."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Protocol

from autodas.data_options import DataOptions, transient
from autodas.errors import AutodasError

__all__ = ["ComputeConfig", "DataConfig", "ListConfig", "LoopConfig", "SkeletonConfig", "transient"]


@dataclass(frozen=True)
class ListConfig:
    """List the entries.

    Args:
        json: print JSON.
    """

    json: bool = False


@dataclass(frozen=True, kw_only=True)
class DataConfig(DataOptions):
    """The images or videos.

    Args:
        name: data set: digits, cifar10:PATH, imagefolder:PATH, parquet:PATH, moving-digits, videofolder:PATH,
            ucf101:PATH, ...; autodas data list shows them all.
        workers: processes that read data that do not fit in memory.
        crop_padding: padding before a random crop, in pixels; by default the data set's own.
        flip: random horizontal flips; by default the data set's own.
        cutout: side of a square that is blanked in every training image; 0 for none.
        random_resized_crop: random crops of random size; by default for images above 64 pixels. Clips of
            videos are cropped at random positions instead.
        color_jitter: strength of random changes of brightness, contrast and saturation.
    """

    name: str
    workers: int = 0
    crop_padding: int | None = None
    flip: bool | None = None
    cutout: int = 0
    random_resized_crop: bool | None = None
    color_jitter: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers < 0:
            raise AutodasError(f"workers={self.workers} must be at least 0")

    @property
    def options(self) -> DataOptions:
        """Options for :func:`autodas.open_dataset`."""
        return DataOptions(**{f.name: getattr(self, f.name) for f in fields(DataOptions)})


@dataclass(frozen=True)
class SkeletonConfig:
    """How the cells are stacked.

    Args:
        name: skeleton: cifar, imagenet, nasbench201, or for H-DAS cifar_stages, cifar_graph, imagenet_stages,
            imagenet_graph.
        K: normal cells in each stage.
        C1: channels of the stem's first convolution.
        C2: channels of the first cell's output, four times the width of its nodes.
        pool_norm: batch normalisation after pools: none, plain or affine; by default the skeleton's own
            (networks of SNAS: affine).
    """

    name: str = "cifar"
    K: int | None = None
    C1: int | None = None
    C2: int | None = None
    pool_norm: Literal["none", "plain", "affine"] | None = None


@dataclass(frozen=True)
class ComputeConfig:
    """Device, precision and threads.

    Args:
        device: auto (a GPU if available, but the CPU for small runs), cpu, cuda, cuda:1.
        precision: fp32, or bf16 for forward and backward passes.
        graphs: auto records whole iterations as CUDA graphs on GPUs, off never does.
        threads: CPU threads; by default torch's own choice, in small searches and trainings fewer.
        deterministic: request bitwise deterministic kernels, on GPUs too.
    """

    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    graphs: Literal["auto", "off"] = "auto"
    threads: int | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise AutodasError(f"threads={self.threads} must be at least 1")


class LoopConfig(Protocol):
    """Common part of the configurations of searches and trainings."""

    @property
    def data(self) -> DataConfig:
        """The images or videos."""

    @property
    def compute(self) -> ComputeConfig:
        """Device, precision and threads."""

    @property
    def micro_batches(self) -> int:
        """Number of parts in which each batch is computed."""

    @property
    def checkpoint_every(self) -> int:
        """Interval between checkpoints: iterations in searches, epochs in trainings."""

    @property
    def tensorboard(self) -> bool:
        """Whether to write TensorBoard files."""

    @property
    def quiet(self) -> bool:
        """Whether to suppress progress output."""
