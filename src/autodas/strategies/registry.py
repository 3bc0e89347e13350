"""Search methods by name: their entries, classes and settings. No torch before a method is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from autodas.choice import Choice
from autodas.errors import AutodasError, nearest
from autodas.strategies.settings import (
    ALIASES,
    STRATEGIES,
    FinalistsSettings,
    SDASSettings,
    StrategyInfo,
    StrategySettings,
)
from autodas.user_code import PREFIX, import_named, is_user_code, place_of

if TYPE_CHECKING:
    from autodas.strategies.base import Strategy


def strategy_names() -> list[str]:
    """Return the names of all methods: the canonical ones, then the aliases."""
    return [*STRATEGIES, *ALIASES]


def resolve_strategy(name: str) -> tuple[str, dict[str, Any]]:
    """Return the canonical name of a method, and the settings implied by the given name.

    A name such as ``python:package.module:Class`` stands for a user-defined method.

    >>> resolve_strategy("sdas-b")
    ('sdas', {'schedule': 'b'})

    Raises:
        AutodasError: if there is no method of that name; the message suggests the nearest.
    """
    if name in STRATEGIES or is_user_code(name):
        return name, {}
    if name in ALIASES:
        canonical, settings = ALIASES[name]
        return canonical, dict(settings)
    hint = "; did you mean 'das'?" if name == "darts" else nearest(name, strategy_names())
    raise AutodasError(f"unknown strategy '{name}'{hint}")


def strategy_info(name: str) -> StrategyInfo:
    """Return the entry of a method, by any of its names; a user-defined method is imported.

    Raises:
        AutodasError: as :func:`resolve_strategy`, and if a user-defined class is no strategy.
    """
    canonical = resolve_strategy(name)[0]
    return _info_of_users(canonical) if is_user_code(canonical) else STRATEGIES[canonical]


def load_strategy(name: str) -> type[Strategy]:
    """Import a method and return its class, by any of the method's names."""
    module, _, attribute = strategy_info(name).implementation.partition(":")
    loaded: type[Strategy] = getattr(import_module(module), attribute)
    return loaded


@cache
def _info_of_users(name: str) -> StrategyInfo:
    from autodas.strategies.base import Strategy

    where = f"strategy '{name}'"
    user_class = import_named(name, where)
    if not (isinstance(user_class, type) and issubclass(user_class, Strategy)):
        raise AutodasError(f"{where} ({place_of(user_class)}): a subclass of autodas.Strategy is expected")
    settings = get_type_hints(user_class).get("settings", StrategySettings)
    if not (isinstance(settings, type) and issubclass(settings, StrategySettings) and is_dataclass(settings)):
        raise AutodasError(
            f"{where} ({place_of(user_class)}): its 'settings' must be annotated with a dataclass "
            "that derives from StrategySettings"
        )
    description = (inspect.getdoc(user_class) or name).split("\n")[0].rstrip(".")
    return StrategyInfo(settings, name.removeprefix(PREFIX), description)


@dataclass(frozen=True)
class StrategyChoice(Choice):
    """Search method and its settings, as a field of a command's configuration.

    Args:
        name: canonical name of the method.
        settings: its settings, an instance of the class in the registry.
        finalists: finals after its searches, which have an option of their own on the command line.
    """

    name: str = "sdas"
    settings: StrategySettings = field(default_factory=SDASSettings)
    finalists: FinalistsSettings = field(default_factory=FinalistsSettings)

    word: ClassVar[str] = "strategy"
    words: ClassVar[str] = "strategies"
    help: ClassVar[str] = f"search method: {', '.join(strategy_names())}, or python:package.module:Class"

    @classmethod
    def alternatives(cls) -> Mapping[str, type]:
        """Return the canonical names of all methods with the classes of their settings."""
        return {name: info.settings for name, info in STRATEGIES.items()}

    @classmethod
    def resolve(cls, name: str) -> tuple[str, dict[str, Any]]:
        """Return the canonical name and the implied settings, see :func:`resolve_strategy`."""
        return resolve_strategy(name)

    @classmethod
    def settings_class(cls, name: str) -> type:
        """Return the class of a method's settings."""
        return strategy_info(name).settings

    @classmethod
    def description(cls, name: str) -> str:
        """Return the description of a method."""
        return strategy_info(name).description

    def __post_init__(self) -> None:
        canonical = resolve_strategy(self.name)[0]
        if canonical != self.name:
            raise AutodasError(
                f"'{self.name}' is an alias of '{canonical}': use choose_strategy('{self.name}')"
            )
        settings = strategy_info(canonical).settings
        if not isinstance(self.settings, settings):
            raise AutodasError(
                f"strategy '{canonical}' takes {settings.__name__}, not {type(self.settings).__name__}"
            )


def choose_strategy(
    name: str, *, finalists: FinalistsSettings | None = None, **settings: Any
) -> StrategyChoice:
    """Return a method with some of its settings changed, by any of the method's names.

    Args:
        name: name or alias of the method.
        finalists: finals after its searches; ``None`` for a single search without them.
        settings: settings of the method.

    >>> choose_strategy("sdas-b", learning_rate=0.05).settings.schedule
    'b'

    Raises:
        AutodasError: if the name is unknown, or a setting is unknown or out of range.
    """
    canonical, fixed = resolve_strategy(name)
    settings_class = strategy_info(canonical).settings
    known = [setting.name for setting in fields(settings_class)]
    for setting in settings:
        if setting not in known:
            raise AutodasError(f"strategy '{canonical}' has no setting '{setting}'{nearest(setting, known)}")
    chosen = settings_class(**{**fixed, **settings})
    return StrategyChoice(canonical, chosen, finalists or FinalistsSettings())
