"""Expected shape of a search's state in a checkpoint."""

from __future__ import annotations

from autodas.loop.checkpoint import SEVERAL, SHARED, TENSOR
from autodas.reading import MAPPING, TEXT, TRUTH, Fields, Items, Number, Optional, Values, Whole

_CANDIDATE = Fields(
    {"phase": TEXT, "file": TEXT, "derived": TRUTH},
    {
        **dict.fromkeys(("relaxed", "discrete", "reestimated", "rebuilt"), Number()),
        "rebuilt_equal": TRUTH,
        "count": Whole(1),
    },
)
_PHASE = Fields(
    {
        "iteration": Whole(),
        "strategy": MAPPING,
        "supernet": Values(TENSOR),
        "weight_optimiser": MAPPING,
        "architecture_optimiser": Optional(MAPPING),
        "meters": Items(TENSOR, 2, 2),
    }
)
SEARCH_STATE = Fields(
    {
        "phase": Whole(),
        "run": _PHASE,
        "relaxed": Optional(Number()),
        "candidates": Items(_CANDIDATE),
        "margins": Items(Number()),
        "clock": Items(Number(), 2, 3),  # earlier versions did not count waiting
        **SHARED,
    },
    SEVERAL,
)
"""Shape of a search's state. Consistency between values is checked when they are restored."""
