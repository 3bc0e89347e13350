"""The log of a run, with TensorBoard beside it where that is installed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from autodas.runs.folder import TENSORBOARD, RunFolder
from autodas.runs.log import RunLog
from autodas.terminal import message


class TensorBoard:
    """Shows numbers, pictures and histograms in TensorBoard.

    Args:
        writer: of its files.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Show numbers by name."""
        for name, value in values.items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Show a picture."""
        with Image.open(BytesIO(png)) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        """Show how numbers are distributed; nothing where there are none."""
        if len(values):
            self._writer.add_histogram(name, np.asarray(values), step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def open_log(
    folder: RunFolder, *, lengths: Mapping[str, Any] | None = None, tensorboard: bool = True, step: int = 0
) -> RunLog:
    """Open the log of a run.

    Args:
        folder: of the run.
        lengths: of the log at the checkpoint that the run goes on from.
        tensorboard: whether to write TensorBoard files, where it is installed.
        step: iteration that the run goes on from.
    """
    return RunLog(folder, lengths=lengths, board=_board(folder, step) if tensorboard else None)


def _board(folder: RunFolder, step: int) -> TensorBoard | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    path = folder.path / TENSORBOARD
    try:
        str(path).encode()
    except UnicodeEncodeError:
        told = f"note: {path}: no TensorBoard files are written, they need a folder whose name is UTF-8"
        print(message(told), file=sys.stderr)
        return None
    # Everything from the purged step on is hidden; what was logged at the checkpoint's own step stays.
    return TensorBoard(SummaryWriter(str(path), purge_step=step + 1 if step else None))
