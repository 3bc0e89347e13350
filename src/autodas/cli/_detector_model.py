"""Whether the model of a command line is a detector."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from autodas.runs.folder import MODEL


def names_detector(argv: Sequence[str]) -> bool:
    """Return whether the first trained network on a command line is a detector.

    Which word is the model depends on the options, and these depend on the kind of model.
    """
    for word in argv:
        if os.path.isfile(Path(word) / MODEL) or (word.endswith(".safetensors") and os.path.isfile(word)):
            from autodas.detection import is_detector

            return is_detector(word)
    return False
