"""Schema of a configuration class: dotted keys with types and defaults, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

from autodas.choice import Choice
from autodas.cli.config._values import takes_list
from autodas.errors import AutodasError, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Leaf:
    """Single value of a configuration.

    Args:
        key: dotted key.
        hint: type.
        default: default, or ``dataclasses.MISSING``.
        owner: class to which the field belongs.
        metadata: metadata of the field: ``positional``, ``nargs``, ``short``, ``metavar``, ``help``.
    """

    key: str
    hint: Any
    default: Any
    owner: type
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition(".")[2]

    @property
    def positional(self) -> bool:
        """Whether it is a positional argument."""
        return bool(self.metadata.get("positional"))

    @property
    def variadic(self) -> bool:
        """Whether it takes all remaining positional arguments."""
        return self.positional and takes_list(self.hint)

    @property
    def required(self) -> bool:
        """Whether the user must give it."""
        return self.default is MISSING

    @property
    def metavar(self) -> str:
        """Name of a positional argument in usage and messages."""
        return str(self.metadata.get("metavar", self.name.upper()))


@dataclass(frozen=True)
class ChoiceField:
    """Field of a configuration class that holds a choice.

    Args:
        key: name of the field.
        kind: class of the choice.
        default: canonical name of the alternative chosen by default.
    """

    key: str
    kind: type[Choice]
    default: str


@dataclass(frozen=True)
class Schema:
    """All values of a configuration class.

    Args:
        leaves: dotted key to value.
        groups: dotted key of a nested class to that class.
        short_forms: short form to the key that it sets: the name of a group, ``data`` to ``data.name``, or
            the metadata ``flag`` of a field, ``task`` to ``data.task``.
        choice: the field that holds a choice, if there is one.
        chosen: canonical name of the alternative whose settings are among the leaves.
    """

    leaves: dict[str, Leaf] = field(default_factory=dict)
    groups: dict[str, type] = field(default_factory=dict)
    short_forms: dict[str, str] = field(default_factory=dict)
    choice: ChoiceField | None = None
    chosen: str | None = None

    @property
    def positionals(self) -> list[Leaf]:
        """Positional arguments in order."""
        return [leaf for leaf in self.leaves.values() if leaf.positional]

    def unknown(self, key: str, mark: str = "") -> str:
        """Return the hint that completes an error message about an unknown key.

        Args:
            key: dotted key.
            mark: prefix of keys in this context: ``--`` on the command line.
        """
        parent, _, last = key.rpartition(".")
        if self.choice is not None and parent == self.choice.key and (owners := _owners(self.choice, last)):
            return f": '{last}' belongs to {', '.join(owners)}, not {self.chosen}"
        if key in self.groups:
            return f": give one of its keys: {', '.join(self._children(key, mark))}"
        if match := self._nearest(key):
            return f"; did you mean '{mark}{match}'?"
        return nearest("", self._children(parent if parent in self.groups else "", mark))

    def _nearest(self, key: str) -> str | None:
        parent, _, last = key.rpartition(".")
        prefix = f"{parent}." if parent else ""
        keys = [*self.leaves, *self.groups]
        siblings = [k for k in keys if k.startswith(prefix) and "." not in k[len(prefix) :]]
        elsewhere = [k for k in self.leaves if k.rpartition(".")[2] == last]
        near = [prefix + m for m in get_close_matches(last, [k[len(prefix) :] for k in siblings], 1, 0.6)]
        return next(iter([*near, *elsewhere, *get_close_matches(key, keys, 1, 0.8)]), None)

    def _children(self, group: str, mark: str) -> list[str]:
        """Return the keys directly in a group; on the command line only the options."""
        keys = [key for key, leaf in self.leaves.items() if not (mark and leaf.positional)]
        keys += self.short_forms if mark else self.groups
        return [f"{mark}{key}" for key in keys if key.rpartition(".")[0] == group]


def describe(config_class: type, chosen: str | None = None) -> Schema:
    """Return the schema of a configuration class.

    Args:
        config_class: dataclass, whose fields may be dataclasses.
        chosen: canonical name of the alternative whose settings are included, if the class has a field of
            type :class:`~autodas.choice.Choice`.
    """
    schema = Schema(choice=choice_field(config_class), chosen=chosen)
    _describe(schema, config_class, "", MISSING)
    return schema


def choice_field(config_class: type) -> ChoiceField | None:
    """Return the field of a configuration class that holds a choice, if there is one."""
    hints = get_type_hints(config_class)
    for item in fields(config_class):
        hint = hints[item.name]
        if isinstance(hint, type) and issubclass(hint, Choice):
            return ChoiceField(item.name, hint, _default(item, MISSING).name)
    return None


def build(config_class: type[T], schema: Schema, values: Mapping[str, Any]) -> T:
    """Return the configuration with the given values by dotted key.

    Raises:
        AutodasError: if a class rejects its values; the message names the nested key.
    """
    return _build(config_class, schema, values, "")


def tree(config: Any) -> dict[str, Any]:
    """Return a configuration as nested plain data, a choice and its settings as one level.

    Fields with the metadata ``{"saved": False}``, which affect how a command runs and not its results, are
    omitted.
    """
    if isinstance(config, Choice):
        return {"name": config.name, **tree(config.settings)}
    return {
        f.name: tree(v) if is_dataclass(v := getattr(config, f.name)) else v
        for f in fields(config)
        if f.metadata.get("saved", True)
    }


def _describe(schema: Schema, config_class: type, prefix: str, defaults: Any) -> None:
    hints = get_type_hints(config_class)
    for item in fields(config_class):
        if not item.init:
            continue
        key, hint, default = prefix + item.name, hints[item.name], _default(item, defaults)
        if isinstance(hint, type) and is_dataclass(hint):
            schema.groups[key] = hint
            if issubclass(hint, Choice):
                _describe_choice(schema, key, hint, default)
            else:
                _describe(schema, hint, f"{key}.", default)
            if f"{key}.name" in schema.leaves:
                schema.short_forms[key] = f"{key}.name"
        else:
            schema.leaves[key] = Leaf(key, hint, default, config_class, item.metadata)
            if "flag" in item.metadata:
                schema.short_forms[item.metadata["flag"]] = key


def _describe_choice(schema: Schema, key: str, choice: type[Choice], default: Any) -> None:
    name = schema.chosen or default.name
    schema.leaves[f"{key}.name"] = Leaf(f"{key}.name", str, name, choice, {"help": choice.help})
    settings = default.settings if default.name == name else MISSING
    _describe(schema, choice.settings_class(name), f"{key}.", settings)


def _default(item: Field[Any], defaults: Any) -> Any:
    """Return the default of a field: the one in the outer default if there is one, else its own."""
    if defaults is not MISSING:
        return getattr(defaults, item.name)
    factory: Any = item.default_factory
    return item.default if factory is MISSING else factory()


def _build(config_class: type[T], schema: Schema, values: Mapping[str, Any], prefix: str) -> T:
    arguments: dict[str, Any] = {}
    for item in fields(config_class):  # type: ignore[arg-type]
        key = prefix + item.name
        group = schema.groups.get(key)
        if group is not None and issubclass(group, Choice):
            name = values[f"{key}.name"]
            settings: Any = _build(group.settings_class(name), schema, values, f"{key}.")
            arguments[item.name] = group(name, settings)
        elif group is not None:
            arguments[item.name] = _build(group, schema, values, f"{key}.")
        elif item.init:
            arguments[item.name] = values[key]
    try:
        return config_class(**arguments)
    except AutodasError as error:
        raise AutodasError(f"{prefix[:-1]}: {error}" if prefix else str(error)) from error


def _owners(choice: ChoiceField, setting: str) -> list[str]:
    """Return the alternatives that have a setting with this name."""
    alternatives = choice.kind.alternatives()
    return [name for name, settings in alternatives.items() if setting in {f.name for f in fields(settings)}]
