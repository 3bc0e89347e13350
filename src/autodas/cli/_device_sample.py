"""``autodas device sample``: random networks to measure on a device."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autodas.cli._output import print_facts
from autodas.cli._train_preset import train_preset
from autodas.cli.search import SearchSpaceConfig
from autodas.errors import AutodasError, Interrupted
from autodas.stopping import StopRequest

if TYPE_CHECKING:
    from autodas.costs import NetworkSetting
    from autodas.spaces import Space


@dataclass(frozen=True)
class SampledSkeletonConfig:
    """How cells are stacked in the networks that will be trained; by default as in the preset or the space.

    Args:
        name: skeleton: cifar, imagenet, video, ...
        K: normal cells in each stage.
        C1: channels of the stem's first convolution.
        C2: channels of the first cell's output, four times the width of its nodes.
        pool_norm: batch normalisation after pools: none, plain or affine.
    """

    name: str | None = None
    K: int | None = None
    C1: int | None = None
    C2: int | None = None
    pool_norm: Literal["none", "plain", "affine"] | None = None


@dataclass(frozen=True)
class SampleConfig:
    """Write random networks of a search space, spread from cheap to expensive, to be measured on a device.

    An interrupted command goes on when it is given again.

    Args:
        preset: preset of 'autodas train' with which the result of the search will be trained.
        classes: number of classes; by default 1000 for the ImageNet skeletons, 10 for others.
        channels: channels of the images or frames.
        image_size: height and width of the images; by default those of the preset, or those the skeleton was
            designed for.
        frames: frames of a clip, for video; by default likewise.
        networks: number of networks.
        output: the folder.
        forms: files of each network besides its genotype: onnx, torch (an exported program, .pt2), both, or
            none; each takes seconds a network. 'autodas device measure' needs onnx for ONNX Runtime and for
            functions of your own.
        seed: seed of architectures and weights.
        quiet: print no progress.
        json: print JSON.
    """

    space: SearchSpaceConfig = field(default_factory=SearchSpaceConfig)
    preset: str | None = None
    skeleton: SampledSkeletonConfig = field(default_factory=SampledSkeletonConfig)
    classes: int | None = None
    channels: int = 3
    image_size: int | None = None
    frames: int | None = None
    networks: int = field(default=100, metadata={"short": "-n"})
    output: Path = field(kw_only=True, metadata={"short": "-o"})
    forms: tuple[Literal["onnx", "torch"], ...] = ("onnx",)
    seed: int = 0
    quiet: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        for name in ("classes", "channels", "image_size", "frames", "networks"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise AutodasError(f"{name}={value} must be at least 1")


def run_sample(config: SampleConfig) -> None:
    """Write random networks of a search space, to be measured."""
    from autodas.devices import sample_networks
    from autodas.spaces import get_space

    own = config.space
    space = get_space(own.name).with_size(own.K, own.C1, own.C2).with_operations(own.operations)
    setting = _setting(config, space)
    with StopRequest() as stop:
        done = sample_networks(
            config.output,
            space,
            setting,
            config.networks,
            forms=config.forms,
            seed=config.seed,
            quiet=config.quiet,
            stop=lambda: stop.requested,
        )
        if stop.requested:
            raise Interrupted(
                f"interrupted after {done} of {config.networks} networks; the same command goes on"
            )
    facts = {
        "folder": str(config.output),
        "networks": done,
        "space": space.name,
        "skeleton": setting.to_dict()["skeleton"],
        "input": list(setting.input_size),
        "classes": setting.classes,
    }
    print_facts(facts, config.json)
    if not config.json:
        print(f"next:\n  autodas device measure {shlex.quote(str(config.output))}")


def _setting(config: SampleConfig, space: Space) -> NetworkSetting:
    """Return the setting of the networks that will be trained."""
    from dataclasses import replace

    from autodas.cli._setup import skeleton_of
    from autodas.costs import NetworkSetting
    from autodas.spaces import get_skeleton

    skeleton, image_size, frames, own = space.skeleton, None, None, config.skeleton
    if config.preset is not None:
        preset = train_preset(config.preset)
        skeleton, image_size, frames = (
            skeleton_of(preset.skeleton),
            preset.data.image_size,
            preset.data.frames,
        )
    if own.name is not None:
        skeleton = get_skeleton(own.name)
    skeleton = skeleton.with_size(own.K, own.C1, own.C2)
    if own.pool_norm is not None:
        skeleton = replace(skeleton, pool_norm=own.pool_norm)
    return NetworkSetting(
        skeleton.for_clips(config.frames or frames or skeleton.frames),
        config.channels,
        config.image_size or image_size or skeleton.image_size,
        config.classes or (1000 if skeleton.name.startswith("imagenet") else 10),
    )
