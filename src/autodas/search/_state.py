"""What the state of a search in a checkpoint has to look like."""

from __future__ import annotations

from autodas.loop.checkpoint import SHARED, TENSOR
from autodas.reading import MAPPING, TEXT, TRUTH, Fields, Items, Number, Optional, Values, Whole

_CANDIDATE = Fields(
    {"phase": TEXT, "file": TEXT, "derived": TRUTH},
    {
        **dict.fromkeys(("relaxed", "discrete", "reestimated", "rebuilt"), Number(0)),
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
        "clock": Items(Number(), 2, 2),
        **SHARED,
    }
)
"""Whether values fit each other is looked at when they are taken over."""
