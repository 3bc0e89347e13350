"""``autodas profile``: parameters and multiply-adds of a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autodas.cli._code import allow_code_for
from autodas.cli._output import print_facts
from autodas.cli._settings import SkeletonConfig
from autodas.cli.config._configuration import parse, read_preset_configuration
from autodas.errors import AutodasError


@dataclass(frozen=True)
class ProfileConfig:
    """Print parameters and multiply-adds of the network of a genotype, or of a hand-crafted one.

    Args:
        genotype: a genotype file, a run folder, a name from the zoo, a string of NAS-Bench-201, or a
            hand-crafted network such as resnet50-3d.
        preset: preset of 'autodas train' from which to take the skeleton.
        classes: number of classes.
        channels: channels of the input images.
        image_size: height and width of the images; by default those the skeleton was designed for.
        frames: frames of a clip, in networks for video; by default those the skeleton was designed for.
        width: channels of a hand-crafted network, as a fraction of the published ones; 0.25 by default.
        code: modules of your own, separated by commas, whose operations the genotype may name; those named in
            the configuration of a run are always allowed.
        json: print JSON.
    """

    genotype: str = field(metadata={"positional": True})
    preset: str | None = None
    skeleton: SkeletonConfig = field(default_factory=SkeletonConfig)
    classes: int | None = None
    channels: int = 3
    image_size: int | None = None
    frames: int | None = None
    width: float | None = None
    code: tuple[str, ...] = ()
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("profile", ProfileConfig, argv)
    allow_code_for(config.code, config.genotype)
    from autodas.networks import means_handcrafted

    if means_handcrafted(config.genotype):
        print_facts(_handcrafted_facts(config), config.json)
        return 0
    if config.width is not None:
        raise AutodasError("--width is for hand-crafted networks; set the width of cells with --skeleton.C2")
    from autodas.cli.train import TrainConfig
    from autodas.zoo import load_genotype

    genotype = load_genotype(config.genotype)
    base = SkeletonConfig()
    if config.preset is not None:
        no_data = "--data="  # for presets without data, which the skeleton does not need
        words = [config.genotype, no_data]
        base = read_preset_configuration(TrainConfig, "train", config.preset, words).skeleton
    from autodas import networks
    from autodas.benchmark_string import benchmark_string
    from autodas.cli._setup import skeleton_of
    from autodas.spaces import fit_skeleton

    own = config.skeleton
    # The default name does not override the preset's; explicit sizes do.
    asked = skeleton_of(base if config.preset is not None else own).with_size(own.K, own.C1, own.C2)
    skeleton = fit_skeleton(asked, genotype)
    classes = config.classes or (1000 if skeleton.name.startswith("imagenet") else 10)
    cost = networks.profile(
        genotype,
        skeleton,
        classes=classes,
        channels=config.channels,
        image_size=config.image_size,
        frames=config.frames,
    )
    string = benchmark_string(genotype)
    facts = {
        "genotype": genotype.name,
        **({} if string is None else {"string": string}),
        "skeleton": {"name": skeleton.name, "K": skeleton.K, "C1": skeleton.C1, "C2": skeleton.C2},
        "input": [config.channels, *skeleton.input_size(config.image_size, config.frames)],
        "classes": classes,
        **cost.to_dict(),
    }
    print_facts(facts, config.json)
    return 0


def _handcrafted_facts(config: ProfileConfig) -> dict[str, Any]:
    from autodas.networks.handcrafted import CLIP, WIDTH, profile_handcrafted

    if config.preset is not None or config.skeleton != SkeletonConfig():
        raise AutodasError(
            f"'{config.genotype}' is a hand-crafted network, to which --preset and --skeleton do not apply; "
            "set its size with --width"
        )
    width = WIDTH if config.width is None else config.width
    classes, frames, size = config.classes or 10, config.frames or CLIP[0], config.image_size or CLIP[1]
    cost = profile_handcrafted(
        config.genotype,
        classes=classes,
        channels=config.channels,
        frames=frames,
        image_size=size,
        width=width,
    )
    return {
        "network": config.genotype,
        "width": width,
        "input": [config.channels, frames, size, size],
        "classes": classes,
        **cost.to_dict(),
    }
