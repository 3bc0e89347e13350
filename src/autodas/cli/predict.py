"""``autodas predict``: the most likely classes of new pictures or videos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._along import predict_along
from autodas.cli._configuration import parse
from autodas.cli._durations import seconds_of
from autodas.cli._predictions import Predictions
from autodas.cli._settings import ComputeConfig
from autodas.errors import AutodasError


@dataclass(frozen=True)
class PredictConfig:
    """Print the most likely classes of new pictures or videos.

    Args:
        model: a run folder of 'autodas train', or a model.safetensors file.
        files: pictures or videos, or folders of them; a folder of frames is a video.
        top: how many classes each.
        test_clips: clips of each video, whose scores are averaged.
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        every: a prediction for each second of a video (1s), or another span such as 0.5s or 2min, in place of
            one for all of it.
        json: print JSON.
        csv: print CSV.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    files: tuple[str, ...] = field(metadata={"positional": True, "metavar": "FILE", "nargs": "+"})
    top: int = 5
    test_clips: int = 20
    test_crops: int = 1
    every: str | None = None
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False
    csv: bool = False

    def __post_init__(self) -> None:
        for name in ("top", "test_clips", "test_crops"):
            if getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")
        if self.every is not None:
            seconds_of("every", self.every)
            if self.test_clips != PredictConfig.test_clips:
                raise AutodasError("every takes one clip of each part of a video: leave out test_clips")


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("predict", PredictConfig, argv)
    import torch

    from autodas.cli._setup import use_compute
    from autodas.data import normalise, read_clips, read_image
    from autodas.training.model_file import load_model

    device = use_compute(config.compute)
    network, facts = load_model(config.model)
    network.to(device)
    top = min(config.top, len(facts.classes))
    unreadable = 0
    clips, size = facts.clips, facts.image_size
    paths = _files(config.files, videos=clips is not None)
    if config.every is not None:
        if clips is None:
            raise AutodasError(f"{config.model}: its network is for pictures, but --every is for videos")
        return predict_along(network, facts, paths, config, device)
    with Predictions("json" if config.json else "csv" if config.csv else "text", len(paths)) as printed:
        for path in paths:
            printed.advance()
            try:
                if clips is None:
                    views = read_image(path, channels=facts.channels, image_size=size)[None]
                else:
                    views = read_clips(
                        path,
                        channels=facts.channels,
                        image_size=size,
                        clips=clips,
                        number=config.test_clips,
                        crops=config.test_crops,
                        modality=facts.modality,
                        flow=facts.flow.method if facts.flow is not None else "tvl1",
                    )
            except AutodasError as error:
                # One broken file must not cost the answers for the others.
                printed.passed(f"autodas: skipped: {error}")
                unreadable += 1
                continue
            with torch.no_grad():
                scores = network(normalise(views.to(device), facts.mean, facts.std)).softmax(1).mean(0)
                probabilities, classes = scores.topk(top)
            names = [facts.classes[number] for number in classes.tolist()]
            printed.add(path, list(zip(names, probabilities.tolist(), strict=True)))
    if not printed.count:
        raise AutodasError("none of the files could be read")
    return 2 if unreadable else 0


def _files(names: tuple[str, ...], *, videos: bool) -> list[Path]:
    from autodas.data import IMAGE_ENDINGS, VIDEO_ENDINGS, videos_below

    endings, what = (VIDEO_ENDINGS, "videos") if videos else (IMAGE_ENDINGS, "pictures")
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            if videos:
                inside = [Path(video) for video in videos_below(path)]
            else:
                inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in endings)
            if not inside:
                raise AutodasError(f"{path}: holds no {what} ({', '.join(endings)})")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise AutodasError(f"{path}: does not exist")
    return found
