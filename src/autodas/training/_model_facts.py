"""Expected shape of the description in a model file."""

from __future__ import annotations

from typing import Any, get_args

from autodas.data_options import Flow, Modality, Sampling, Starts
from autodas.errors import AutodasError
from autodas.limits import MOST_CHANNELS, MOST_CLASSES, MOST_FRAMES, MOST_PIXELS_ACROSS
from autodas.reading import MAPPING, MEBIBYTE, TEXT, TRUTH, Fields, Items, Number, OneOf, Optional, Whole

LONGEST = 64 * MEBIBYTE
"""Maximum number of characters of a description."""

_CLIPS = Fields(
    {"frames": Whole(1, MOST_FRAMES), "step": Whole(1, MOST_FRAMES)},
    {
        "fps": Optional(Number(0, above=True)),
        "sampling": OneOf(get_args(Sampling)),
        "starts": OneOf(get_args(Starts)),
    },
)
_FLOW = Fields({"method": OneOf(get_args(Flow)), "bound": Number(0, above=True)})
_FACTS = Fields(
    {
        "classes": Items(TEXT, 1, MOST_CLASSES),
        "channels": Whole(1, MOST_CHANNELS),
        "image_size": Whole(1, MOST_PIXELS_ACROSS),
        "mean": Items(Number()),
        "std": Items(Number(0, above=True)),
        "auxiliary": TRUTH,
        "version": TEXT,
    },
    {
        "clips": _CLIPS,
        "modality": OneOf(get_args(Modality)),
        "value_range": Items(Number(), 2, 2),
        "flow": _FLOW,
        "task": MAPPING,
    },
)


def check_facts(facts: Any, where: str) -> None:
    """Check the description of a network, except for the network itself.

    Raises:
        AutodasError: if an entry is missing or invalid; the message names it.
    """
    _FACTS.check(facts, where)
    for name in ("mean", "std"):
        if len(facts[name]) != facts["channels"]:
            raise AutodasError(
                f"{where}: {name} has {len(facts[name])} values, but there are {facts['channels']} channels"
            )
