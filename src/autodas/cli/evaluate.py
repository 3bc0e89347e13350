"""``autodas evaluate``: accuracy of a trained network on test pictures or videos."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autodas.cli._configuration import parse
from autodas.cli._output import print_facts
from autodas.cli._settings import ComputeConfig, DataConfig
from autodas.errors import AutodasError

if TYPE_CHECKING:
    import torch

    from autodas.data import ImageDataset
    from autodas.training import Evaluation
    from autodas.training.model_file import ModelFacts


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a trained network on the test pictures or videos of a data set.

    Args:
        model: a run folder of 'autodas train', or a model.safetensors file.
        fuse: another trained network, whose scores are averaged with those of the first: two streams, one of
            colours and one of optical flow. Each sees what it was trained on.
        batch_size: pictures, or clips, at a time; by default 256 pictures or 32 clips.
        test_clips: clips of each video, whose scores are averaged.
        json: print JSON.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    data: DataConfig
    fuse: str | None = None
    batch_size: int | None = None
    test_clips: int = 20
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "test_clips"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("evaluate", EvaluateConfig, argv)
    from autodas.cli._setup import use_compute
    from autodas.training import fuse, remarks

    device = use_compute(config.compute)
    found = _evaluate(config, config.model, device)
    facts = {"model": config.model, "data": config.data.name}
    if config.fuse is None:
        facts |= found.summary()
    else:
        other = _evaluate(config, config.fuse, device)
        fused = fuse([found, other])
        alone = {config.model: found.summary(), config.fuse: other.summary()}
        facts |= {"fused_with": config.fuse, "alone": alone, **fused.summary()}
        found = fused
    print_facts(facts if config.json else _for_people(facts), config.json)
    if not config.json:
        print("".join(f"note: {remark}\n" for remark in remarks(found)), end="")
        if found.clips is not None and found.clip_top1 is None:
            print("note: no clip_top1 of two networks together: their clips need not be the same")
    return 0


def _for_people(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts without what is told in words, where it matters."""
    unsaid = ("recalls", "majority", "standard_error")
    told = {name: fact for name, fact in facts.items() if name not in unsaid}
    if "alone" in told:
        told["alone"] = {name: _for_people(summary) for name, summary in told["alone"].items()}
    return told


def _evaluate(config: EvaluateConfig, model: str, device: torch.device) -> Evaluation:
    from autodas.cli._setup import open_data
    from autodas.data import Loader
    from autodas.training.fit import evaluate_network
    from autodas.training.model_file import load_model

    network, facts = load_model(model)
    _check_kind(model, facts, config.data.name)
    clips, data = facts.clips, replace(config.data, image_size=facts.image_size)
    if clips is not None:
        # A network may be tested on longer clips than it was trained on.
        frames = clips.frames if data.frames is None else data.frames
        step = clips.step if data.frame_step is None else data.frame_step
        data = replace(data, frames=frames, frame_step=step, modality=facts.modality)
    dataset, _ = open_data(data, 0)
    _check(model, facts, dataset)
    loader = Loader(
        dataset.test,
        None,
        batch_size=config.batch_size or (256 if clips is None else 32),
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
        device=device,
        workers=config.data.workers,
        views=1 if clips is None else config.test_clips,
    )
    return evaluate_network(network.to(device), loader, facts.classes)


def _check_kind(model: str, facts: ModelFacts, data: str) -> None:
    from autodas.data import holds_videos

    wants, holds = (
        "videos" if videos else "images" for videos in (facts.blueprint.dimensions == 3, holds_videos(data))
    )
    if wants != holds:
        raise AutodasError(
            f"{data} holds {holds}, but the network of {model} is for {wants}: choose a set of {wants} with "
            "--data"
        )


def _check(model: str, facts: ModelFacts, dataset: ImageDataset) -> None:
    if dataset.classes != facts.classes:
        raise AutodasError(
            f"{model}: was trained on {len(facts.classes)} classes ({', '.join(facts.classes[:3])}, "
            f"...), but {dataset.name} has {len(dataset.classes)} ({', '.join(dataset.classes[:3])}, ...)"
        )
    if dataset.channels != facts.channels:
        raise AutodasError(
            f"{model}: was trained on {dataset.what} of {facts.channels} channels, "
            f"{dataset.name} has {dataset.channels}"
        )
