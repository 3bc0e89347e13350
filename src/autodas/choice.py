"""A choice among named alternatives with settings of their own, as a field of a configuration. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Choice(ABC):
    """Alternative and its settings; a subclass defines the alternatives.

    In YAML and on the command line the name and the settings form one level:
    ``strategy: {name: sdas, schedule: b}``. A configuration class gives its field a default.

    Args:
        name: canonical name of the alternative.
        settings: its settings, a dataclass.
    """

    name: str
    settings: Any

    word: ClassVar[str]
    """Word for an alternative in messages."""
    words: ClassVar[str]
    """Plural of the word, and key of a document with settings for several alternatives."""
    help: ClassVar[str]
    """Help of the option that chooses."""

    @classmethod
    @abstractmethod
    def alternatives(cls) -> Mapping[str, type]:
        """Return the canonical names of the registered alternatives with the classes of their settings."""

    @classmethod
    @abstractmethod
    def resolve(cls, name: str) -> tuple[str, dict[str, Any]]:
        """Return the canonical name for a name, and the settings that the name implies.

        Raises:
            AutodasError: if the name is unknown.
        """

    @classmethod
    @abstractmethod
    def settings_class(cls, name: str) -> type:
        """Return the class of an alternative's settings; user-defined alternatives are imported."""

    @classmethod
    @abstractmethod
    def description(cls, name: str) -> str:
        """Return the description of an alternative, in one line."""
