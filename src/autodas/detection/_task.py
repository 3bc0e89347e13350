"""Detection as a task: what is measured, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autodas.detection._metrics import DetectionEvaluation
from autodas.loop.tasks import Meter
from autodas.runs.scores import SCORES

PARTS = ("class_loss", "edge_loss", "overlap_loss")
"""Losses of the last layer of the decoder, as named in logs."""


class BoxMeter(Meter):
    """Running sums of the losses and of images."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(len(PARTS) + 2, device)

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, given its loss, the losses of the last layer as outputs, and its labels."""
        count = torch.full((1,), float(len(targets)), dtype=torch.float64, device=self.sums.device)
        self.sums += torch.cat([torch.cat([loss[None], outputs]).double() * count, count])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the mean losses by name; an empty dictionary if there were no batches."""
        *losses, count = self.sums.tolist()
        if not count:
            return {}
        return {
            f"{prefix}{name}": value / count for name, value in zip(("loss", *PARTS), losses, strict=True)
        }


class Detection:
    """Detection of objects: boxes with classes.

    Args:
        classes: names of the classes.
    """

    name = "detection"
    evaluated = ("map", "map50")
    score = SCORES["detection"].metric
    ranked = True
    prediction_columns = ("class", "score", "left", "top", "right", "bottom")

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    def meter(self, device: torch.device | str = "cpu") -> BoxMeter:
        """Return running sums of the losses."""
        return BoxMeter(device)

    def in_words(self, metrics: Mapping[str, Any]) -> str:
        """Return metrics, whose names may have a prefix, as text."""
        told = []
        for name, value in metrics.items():
            prefix, _, last = name.rpartition("_")
            if last == "loss" and prefix in ("", "train") and value is not None:
                told.append(f"loss {value:.3f}")
            elif last in self.evaluated and value is not None:
                told.append(f"{prefix} {_NAMES[last]} {value:.1f} %".strip())
        return ", ".join(told)

    def result_line(self, summary: Mapping[str, Any]) -> str:
        """Return the summary of an evaluation in one line of text."""
        return (
            f"test mAP {summary['map']:.1f} %, mAP@0.5 {summary['map50']:.1f} % "
            f"({summary['boxes']:,} boxes in {summary['count']:,} images)"
        )

    def remarks(self, found: DetectionEvaluation) -> list[str]:
        """Return remarks on the result, in sentences; mostly there are none."""
        missed = [name for name, ap in found.per_class.items() if ap["ap50"] is not None and ap["ap50"] < 1]
        absent = [name for name, ap in found.per_class.items() if ap["ap50"] is None]
        remarks = []
        if missed:
            remarks.append(f"hardly a box is found of {', '.join(missed)}: train longer (`epochs`)")
        if absent:
            remarks.append(f"there is no box of {', '.join(absent)} to find, so they do not count")
        return remarks

    def prediction_in_words(self, prediction: Sequence[Mapping[str, Any]]) -> str:
        """Return the boxes found in an image as text."""
        told = [
            f"{box['class']} {100 * box['score']:.1f} % "
            f"({box['left']:.0f}, {box['top']:.0f}, {box['right']:.0f}, {box['bottom']:.0f})"
            for box in prediction
        ]
        return ", ".join(told) or "nothing found"


_NAMES = {"map": "mAP", "map50": "mAP@0.5"}
