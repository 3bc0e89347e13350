"""The search loop."""

from autodas.search._accuracies import SearchAccuracies
from autodas.search._budget import supernet_multiply_adds
from autodas.search._loop import Candidate, Search, SearchResult
from autodas.search._memory import MemoryEstimate, SearchSize

__all__ = [
    "Candidate",
    "MemoryEstimate",
    "Search",
    "SearchAccuracies",
    "SearchResult",
    "SearchSize",
    "supernet_multiply_adds",
]
