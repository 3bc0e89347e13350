"""Usual names of the splits of a data set."""

from __future__ import annotations

import re
from typing import Literal

SplitName = Literal["train", "test", "val"]

_NAMES: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trn", "learn", "learning"), "train"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout"), "test"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "val"),
}
_THINGS = r"(?:data|dataset|set|split|folder|samples?|images?|imgs?|pictures?|videos?|clips?|frames)"
_WHOLE = re.compile(rf"(?:{_THINGS})?({'|'.join(_NAMES)})(?:{_THINGS})?")


def split_of(name: str) -> SplitName | None:
    """Return the split that a name stands for, in any case and usual spelling: ``Training_Set`` is ``train``.

    Args:
        name: name of a folder, or of a list without its ending, or a value of a list's column.
    """
    match = _WHOLE.fullmatch(re.sub(r"[\W_]+", "", name.lower()))
    return _NAMES[match[1]] if match else None


def split_of_file(name: str) -> SplitName | None:
    """Return the split that a word of a file's name means: ``train-00000-of-00002.parquet`` is ``train``.

    The first such word counts.
    """
    stem = name.rpartition(".")[0] or name
    return next((split for word in re.split(r"[\W_]+", stem) if (split := split_of(word))), None)
