"""Predictions along videos, for example one for each second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas.cli._predictions import Form, Predictions
from autodas.errors import AutodasError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from autodas.training.model_file import ModelFacts

_TOGETHER = 8  # parts of a video in one forward pass


def predict_along(
    network: Callable[[Tensor], Tensor],
    facts: ModelFacts,
    paths: list[Path],
    *,
    every: float,
    crops: int,
    top: int | None,
    form: Form,
    device: torch.device,
) -> int:
    """Print a prediction for each part of each video as it is made, and return the exit code.

    Args:
        network: network on ``device``, in evaluation mode.
        facts: description of the network, which must be one for videos.
        paths: videos.
        every: time between the beginnings of consecutive parts, in seconds.
        crops: number of crops of each part's clip, whose scores are averaged.
        top: number of classes in each prediction; ``None`` for the task's own.
        form: output format.
        device: device of the network.

    Raises:
        AutodasError: if none of the files can be read.
    """
    total = sum(_count(path, every) for path in paths)
    unreadable = 0
    with Predictions(facts.task, form, total, several=True) as printed:
        for path in paths:
            try:
                for span, best in _moments(network, facts, path, every, crops, top, device):
                    printed.add(path, best, span)
                    printed.advance()
            except AutodasError as error:
                # One broken file must not cost the answers for the others.
                printed.passed(f"autodas: skipped: {error}")
                unreadable += 1
    if not printed.count:
        raise AutodasError("none of the files could be read")
    return 2 if unreadable else 0


def _count(path: Path, every: float) -> int:
    from autodas.data import count_along

    try:
        return count_along(path, every)
    except AutodasError:
        return 0


def _moments(
    network: Callable[[Tensor], Tensor],
    facts: ModelFacts,
    path: Path,
    every: float,
    crops: int,
    top: int | None,
    device: torch.device,
) -> Iterator[tuple[tuple[float, float], list[dict[str, Any]]]]:
    """Yield the start and end of each part in seconds, and the prediction for it."""
    import torch

    from autodas.data import clips_along, normalise

    assert facts.clips is not None
    stretches = clips_along(
        path,
        every,
        channels=facts.channels,
        image_size=facts.image_size,
        clips=facts.clips,
        crops=crops,
        modality=facts.modality,
        flow=facts.flow.method if facts.flow is not None else "tvl1",
    )
    while some := list(islice(stretches, _TOGETHER)):
        views = torch.cat([stretch.views for stretch in some]).to(device)
        with torch.no_grad():
            outputs = network(normalise(views, facts.mean, facts.std)).view(len(some), crops, -1)
        for stretch, own in zip(some, outputs, strict=True):
            yield (stretch.start, stretch.end), facts.task.predict(own, top)
