"""Facts about a network's input, for logs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autodas.data import ImageDataset


def input_facts(dataset: ImageDataset) -> dict[str, Any]:
    """Return size and channels of the images of a data set; for videos also the settings of clips."""
    clips = {} if dataset.clips is None else {**asdict(dataset.clips), "modality": dataset.modality}
    return {"image_size": dataset.image_size, "channels": dataset.channels, **clips}
