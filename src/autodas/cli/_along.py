"""Predictions along videos, one after the other."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autodas.cli._output import print_facts
from autodas.errors import AutodasError
from autodas.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from autodas.data import Stretch
    from autodas.training.model_file import ModelFacts

_TOGETHER = 8  # clips that the network sees at a time


class Moment(NamedTuple):
    """The prediction for a part of a video.

    Args:
        file: the video.
        start, end: in seconds.
        top: the most likely classes, each with ``class`` and ``probability``.
    """

    file: Path
    start: float
    end: float
    top: list[dict[str, Any]]


def predict_along(
    network: Callable[[Tensor], Tensor],
    facts: ModelFacts,
    files: list[Path],
    every: float,
    *,
    top: int,
    crops: int,
    device: torch.device,
    form: str,
) -> int:
    """Print a prediction for each part of videos as it is made, and return the exit code.

    Args:
        network: on the device, in evaluation mode.
        facts: of the network, which is one for videos.
        files: the videos.
        every: seconds of a part.
        top: how many classes are told.
        crops: of each clip.
        device: where the network is.
        form: ``text``, ``csv``, or ``json``: one document at the end.

    Raises:
        AutodasError: if none of the files can be read.
    """
    print_one = _printer(form)
    moments, unreadable = [], 0
    for path in files:
        try:
            for moment in _moments(network, facts, path, every, top, crops, device, form):
                print_one(moment)
                if form == "json":
                    moments.append(moment)
        except AutodasError as error:
            # One broken file must not cost the answers for the others.
            print(f"autodas: skipped: {error}", file=sys.stderr)
            unreadable += 1
    if unreadable == len(files):
        raise AutodasError("none of the files could be read")
    if form == "json":
        print_facts([moment._asdict() for moment in moments], as_json=True)
    return 2 if unreadable else 0


def _moments(
    network: Callable[[Tensor], Tensor],
    facts: ModelFacts,
    path: Path,
    every: float,
    top: int,
    crops: int,
    device: torch.device,
    form: str,
) -> Iterator[Moment]:
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
    # On a terminal the lines themselves show how far it is.
    quiet = form != "json" and sys.stdout.isatty()
    some: list[Stretch] = list(islice(stretches, _TOGETHER))
    total = math.ceil(some[0].length / every)
    with Progress(total, quiet=quiet, what="predictions") as progress:
        while some:
            views = torch.cat([stretch.views for stretch in some]).to(device)
            with torch.no_grad():
                scores = network(normalise(views, facts.mean, facts.std)).softmax(1)
            means = scores.view(len(some), crops, -1).mean(1)
            for stretch, (probabilities, classes) in zip(
                some, zip(*means.topk(top), strict=True), strict=True
            ):
                best = zip(classes.tolist(), probabilities.tolist(), strict=True)
                entries = [{"class": facts.classes[c], "probability": p} for c, p in best]
                yield Moment(path, stretch.start, stretch.end, entries)
            progress.advance(len(some))
            some = list(islice(stretches, _TOGETHER))


def _printer(form: str) -> Callable[[Moment], None]:
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(["file", "start", "end", "rank", "class", "probability"])

        def write(moment: Moment) -> None:
            span = f"{moment.start:.3f}", f"{moment.end:.3f}"
            for rank, entry in enumerate(moment.top, 1):
                writer.writerow([moment.file, *span, rank, entry["class"], f"{entry['probability']:.6f}"])
            sys.stdout.flush()

        return write
    if form == "json":
        return lambda moment: None

    def tell(moment: Moment) -> None:
        best = ", ".join(f"{entry['class']} {100 * entry['probability']:.1f} %" for entry in moment.top)
        print(f"{moment.file} {moment.start:.2f}-{moment.end:.2f} s: {best}", flush=True)

    return tell
