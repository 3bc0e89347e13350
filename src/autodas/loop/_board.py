"""The log of a run, together with TensorBoard files if tensorboard is installed."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autodas.runs.folder import TENSORBOARD, RunFolder
from autodas.runs.log import RunLog
from autodas.terminal import message


class TensorBoard:
    """Writer of scalars, figures and histograms for TensorBoard.

    Args:
        writer: the underlying ``SummaryWriter``.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Write numbers by name."""
        for name, value in values.items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Write a figure."""
        with Image.open(BytesIO(png)) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        """Write the histogram of values; nothing if there are none."""
        if len(values):
            self._writer.add_histogram(name, np.asarray(values), step)

    def close(self) -> None:
        """Flush and close the files."""
        self._writer.close()


def open_log(
    folder: RunFolder, *, lengths: Mapping[str, Any] | None = None, tensorboard: bool = True, step: int = 0
) -> RunLog:
    """Open the log of a run.

    Args:
        folder: the run folder.
        lengths: lengths of the log at the checkpoint from which the run is resumed.
        tensorboard: whether to write TensorBoard files, if tensorboard is installed.
        step: iteration from which the run is resumed.
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
        note = f"note: {path}: no TensorBoard files are written: they need a folder whose name is UTF-8"
        print(message(note), file=sys.stderr)
        return None
    _wait_for_next_second(path)
    # TensorBoard hides everything from the purged step on; entries at the checkpoint's own step stay.
    return TensorBoard(SummaryWriter(str(path), purge_step=step + 1 if step else None))


def _wait_for_next_second(path: Path) -> None:
    """Wait until a new file is the last one by name.

    TensorBoard reads the files of a folder in the order of their names, which begin with the whole second of
    their creation; within a second, a number follows that is not padded, so that 10 comes before 9.
    """
    while any(path.glob(f"*.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.02)
