"""``autodas profile``: parameters, multiply-adds and latency of a network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any

from autodas.cli._code import allow_code_for
from autodas.cli._output import print_facts
from autodas.cli._own_network import own_network
from autodas.cli._settings import SkeletonConfig
from autodas.cli._train_preset import train_preset
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.measure_options import MeasureSettings

if TYPE_CHECKING:
    from autodas.genotype import Genotype
    from autodas.networks import Blueprint
    from autodas.spaces import Skeleton

SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ProfileConfig(MeasureSettings):
    """Print parameters and multiply-adds of the network of a genotype, or of a hand-crafted one.

    With --table also its predicted cost, with --measure its latency on this machine.

    Args:
        genotype: a genotype file, a run folder, a name from the zoo, a string of NAS-Bench-201, or a
            hand-crafted network such as resnet50-3d. The options below are by default those of the network of
            a training, if this is its folder.
        preset: preset of 'autodas train' from which to take the skeleton.
        classes: number of classes; 10 by default, or 1000 with skeletons for ImageNet.
        channels: channels of the input images; 3 by default.
        image_size: height and width of the images; by default those the skeleton was designed for.
        frames: frames of a clip, in networks for video; by default those the skeleton was designed for.
        width: channels of a hand-crafted network, as a fraction of the published ones; 0.25 by default.
        code: modules of your own, separated by commas, whose operations the genotype may name; those named in
            the configuration of a run are always allowed.
        table: tables of costs, of 'autodas device fit', separated by commas.
        measure: measure the network on this machine, with random weights.
        seconds: most time of the measurement.
        json: print JSON.
    """

    genotype: str = field(metadata={"positional": True})
    preset: str | None = None
    skeleton: SkeletonConfig = field(default_factory=SkeletonConfig)
    classes: int | None = None
    channels: int | None = None
    image_size: int | None = None
    frames: int | None = None
    width: float | None = None
    code: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    measure: bool = False
    seconds: float = SECONDS
    json: bool = False

    @property
    def planes(self) -> int:
        """Channels of the input."""
        return 3 if self.channels is None else self.channels

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seconds < inf:
            raise AutodasError(f"seconds={self.seconds} must be a number above 0")
        if not self.measure and (self.seconds != SECONDS or self.settings != MeasureSettings()):
            raise AutodasError("settings of a measurement are for `measure`: add it, or leave them out")


USAGES = (Usage("profile", ProfileConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    allow_code_for(config.code, config.genotype)
    config = _completed(config)
    from autodas.networks import means_handcrafted

    if means_handcrafted(config.genotype):
        print_facts(_handcrafted_facts(config), config.json)
        return 0
    if config.width is not None:
        raise AutodasError("--width is for hand-crafted networks; set the width of cells with --skeleton.C2")
    from autodas.zoo import load_genotype

    genotype = load_genotype(config.genotype)
    from autodas import networks
    from autodas.benchmark_string import benchmark_string
    from autodas.cli._setup import skeleton_of
    from autodas.spaces import fit_skeleton

    own = config.skeleton
    # The default name does not override the preset's; explicit sizes do.
    base = own if config.preset is None else train_preset(config.preset).skeleton
    asked = skeleton_of(base).with_size(own.K, own.C1, own.C2)
    skeleton = fit_skeleton(asked, genotype)
    classes = config.classes or (1000 if skeleton.name.startswith("imagenet") else 10)
    cost = networks.profile(
        genotype,
        skeleton,
        classes=classes,
        channels=config.planes,
        image_size=config.image_size,
        frames=config.frames,
    )
    string, size = benchmark_string(genotype), skeleton.input_size(config.image_size, config.frames)
    facts = {
        "genotype": genotype.name,
        **({} if string is None else {"string": string}),
        "skeleton": {"name": skeleton.name, "K": skeleton.K, "C1": skeleton.C1, "C2": skeleton.C2},
        "input": [config.planes, *size],
        "classes": classes,
        **cost.to_dict(),
        **_predicted(config, genotype, skeleton, classes),
        **_measured(config, networks.CellBlueprint(genotype, skeleton), classes, size),
    }
    print_facts(facts, config.json)
    return 0


def _completed(config: ProfileConfig) -> ProfileConfig:
    """Return the options with those of a trained network where none are given."""
    known = own_network(config.genotype)
    if config.preset is not None or config.skeleton != SkeletonConfig():
        known.pop("skeleton", None)
    for name in ("classes", "channels", "image_size", "frames", "width"):
        if (given := getattr(config, name)) is not None:
            known[name] = given
    return replace(config, **known)


def _handcrafted_facts(config: ProfileConfig) -> dict[str, Any]:
    from autodas.networks import HandcraftedBlueprint
    from autodas.networks.handcrafted import CLIP, WIDTH, profile_handcrafted

    if config.preset is not None or config.skeleton != SkeletonConfig():
        raise AutodasError(
            f"'{config.genotype}' is a hand-crafted network, to which --preset and --skeleton do not apply; "
            "set its size with --width"
        )
    if config.table:
        raise AutodasError(f"tables of costs are for cells, not for '{config.genotype}': leave out `table`")
    width = WIDTH if config.width is None else config.width
    classes, frames, size = config.classes or 10, config.frames or CLIP[0], config.image_size or CLIP[1]
    cost = profile_handcrafted(
        config.genotype,
        classes=classes,
        channels=config.planes,
        frames=frames,
        image_size=size,
        width=width,
    )
    return {
        "network": config.genotype,
        "width": width,
        "input": [config.planes, frames, size, size],
        "classes": classes,
        **cost.to_dict(),
        **_measured(config, HandcraftedBlueprint(config.genotype, width), classes, (frames, size, size)),
    }


def _predicted(config: ProfileConfig, genotype: Genotype, skeleton: Skeleton, classes: int) -> dict[str, Any]:
    """Return the costs that tables predict for a network, by metric; nothing without tables."""
    from autodas.costs import NetworkSetting, read_table

    predicted: dict[str, float] = {}
    size = config.image_size or skeleton.image_size
    setting = NetworkSetting(skeleton.for_clips(config.frames), config.planes, size, classes)
    for path in config.table:
        table = read_table(path)
        table.check_setting(table.cell, setting)
        if table.metric in predicted:
            raise AutodasError(f"{path}: is a second table of {table.metric}; give one of each metric")
        predicted[table.metric] = table.predict(genotype)
    return {"predicted": predicted} if predicted else {}


def _measured(
    config: ProfileConfig, blueprint: Blueprint, classes: int, size: tuple[int, ...]
) -> dict[str, Any]:
    """Return what a network takes on this machine, with the machine; nothing unless it is asked for."""
    if not config.measure:
        return {}
    from autodas.devices import describe_device, describe_network, measure_networks

    network = describe_network(
        blueprint,
        classes=classes,
        channels=config.planes,
        image_size=size[-1],
        frames=None if blueprint.dimensions == 2 else size[0],
    )
    (found,) = measure_networks([network], config.settings, seconds=config.seconds)
    return {
        "measured": {
            "latency_ms": found.milliseconds,
            "interval": [found.low, found.high],
            "passes": found.passes,
            "device": describe_device(config.settings),
        }
    }
