"""What autodas finds on this machine, whether it works, and what is missing. Survives broken libraries."""

from autodas.installation._examine import examine
from autodas.installation._finding import Finding

__all__ = ["Finding", "examine"]
