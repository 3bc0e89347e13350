"""The search loop."""

from autodas.search._accuracies import SearchAccuracies
from autodas.search._budget import MemoryEstimate, estimate_memory, supernet_multiply_adds
from autodas.search._loop import Candidate, Search, SearchResult

__all__ = [
    "Candidate",
    "MemoryEstimate",
    "Search",
    "SearchAccuracies",
    "SearchResult",
    "estimate_memory",
    "supernet_multiply_adds",
]
