"""Result of looking at one part of an installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "limited", "broken"]


@dataclass(frozen=True)
class Finding:
    """Result of looking at one part of an installation.

    Args:
        part: what was looked at.
        state: ``ok``; ``limited`` if autodas works, but something is missing or slower; ``broken`` if autodas
            does not work.
        found: what is there, or what is wrong.
        cost: what it costs the user.
        remedy: what the user can do.
    """

    part: str
    state: State
    found: str
    cost: str = ""
    remedy: str = ""

    @property
    def text(self) -> str:
        """What was found, what it costs, and the remedy, as one sentence."""
        found = "; ".join(filter(None, (self.found, self.cost)))
        return ": ".join(filter(None, (found, self.remedy)))
