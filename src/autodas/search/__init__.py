"""The search loop."""

from autodas.search._accuracies import SearchAccuracies
from autodas.search._cost import supernet_multiply_adds
from autodas.search._loop import Candidate, Search, SearchResult
from autodas.search._memory import MemoryEstimate, SearchSize
from autodas.search._time import estimate_time

__all__ = [
    "Candidate",
    "MemoryEstimate",
    "Search",
    "SearchAccuracies",
    "SearchResult",
    "SearchSize",
    "estimate_time",
    "supernet_multiply_adds",
]
