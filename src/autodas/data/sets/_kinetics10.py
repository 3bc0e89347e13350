"""The ten categories of Kinetics10, the video set on which the SDAS paper searches (its Table 3)."""

from __future__ import annotations

import re

CATEGORIES: dict[str, tuple[str, ...]] = {
    "basketball": ("dribbling basketball", "dunking basketball", "playing basketball", "shooting basketball"),
    "biking": ("biking through snow", "falling off bike", "jumping bicycle", "riding a bike"),
    "bodybuilding": (
        *("clean and jerk", "deadlifting", "pull ups", "situp", "snatch weight lifting", "squat"),
        *("stretching arm", "stretching leg"),
    ),
    "cooking": (
        *("chopping vegetables", "cooking egg", "cooking on campfire", "cooking sausages (not on barbeque)"),
        *(
            "cooking scallops",
            "flipping pancake",
            "frying vegetables",
            "making a sandwich",
            "scrambling eggs",
        ),
    ),
    "dancing": (
        *("belly dancing", "breakdancing", "country line dancing", "dancing ballet", "dancing charleston"),
        *("dancing gangnam style", "dancing macarena", "jumping into pool", "mosh pit dancing"),
        *("salsa dancing", "square dancing", "swing dancing", "tango dancing", "tap dancing"),
    ),
    "eating": (
        *("eating burger", "eating cake", "eating carrots", "eating chips", "eating doughnuts"),
        *("eating hotdog", "eating ice cream", "eating spaghetti", "eating watermelon"),
    ),
    "golfing": ("golf chipping", "golf driving", "golf putting"),
    "skiing": (
        *(
            "ski jumping",
            "skiing crosscountry",
            "skiing mono",
            "skiing slalom",
            "snowboarding",
            "tobogganing",
        ),
    ),
    "soccer": (
        *("juggling soccer ball", "kicking soccer ball", "passing soccer ball", "shooting goal (soccer)"),
    ),
    "swimming": (
        *("ice swimming", "swimming backstroke", "swimming breast stroke", "swimming butterfly stroke"),
        "swimming front crawl",
    ),
}
"""Classes of each category, as in the table ("jumping into pool" is a dance there)."""

_SAME = {"cooking sausages": "cooking sausages (not on barbeque)"}
"""Names in Kinetics-400 of classes that the table calls by their name in Kinetics-600."""


def _plain(name: str) -> str:
    """Return a name as it may also occur in class folders: without case, blanks and punctuation."""
    return re.sub("[^a-z0-9]", "", name.lower())


_CLASS = {_plain(name): name for merged in CATEGORIES.values() for name in merged}
_CLASS |= {_plain(other): name for other, name in _SAME.items()}
_CATEGORY = {name: category for category, merged in CATEGORIES.items() for name in merged}


def merged_class(name: str) -> tuple[str, str] | None:
    """Return category and class of the table for a class of Kinetics; ``None`` if it is not in the table.

    Args:
        name: name as in the official lists, or of a class folder (``shooting_goal_(soccer)``).
    """
    table_name = _CLASS.get(_plain(name))
    return None if table_name is None else (_CATEGORY[table_name], table_name)
