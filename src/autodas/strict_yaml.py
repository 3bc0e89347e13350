"""Strict YAML for configuration files, with lossless round trips.

Scalars follow YAML 1.2 instead of PyYAML's 1.1: ``1e-3`` is a number, while ``no``, ``1:30``, ``012`` and
dates mean what they look like. Duplicate keys are errors, and so are custom tags, recursive aliases and
documents that expand to more values than a configuration could need.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import PurePath
from typing import Any

import yaml

from autodas.errors import AutodasError
from autodas.reading import read_text

LARGEST = 2**17
"""Largest size of a configuration file in bytes."""

_DEEPEST = 32  # levels of nested mappings and lists
_MOST = 100_000  # values, those of aliases counted at each use

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("int", r"[-+]?\d+", "-+0123456789"),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Reject deep nesting while reading, since reading it is slow as well.
        self.depth += 1
        if self.depth > _DEEPEST:
            problem = f"nested more than {_DEEPEST} levels deep"
            raise yaml.constructor.ConstructorError(None, None, problem, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' appears twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes around text that would be read as another type, and flow lists."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern, _first in _RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})\\Z"), list(_first))
_Loader.add_constructor(f"{_TAG}int", lambda loader, node: int(node.value))


_FORMS = {f"{_TAG}{name}": re.compile(pattern) for name, pattern, _ in _RESOLVERS}
_TAGS = {f"{_TAG}{name}" for name in ("str", "seq", "map")} | set(_FORMS)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only double quotes preserve every kind of line break (including U+0085 and U+2028).
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence(f"{_TAG}seq", data, flow_style=True)
)


def read_yaml_file(path: str) -> dict[Any, Any]:
    """Return the mapping in a configuration file.

    Raises:
        AutodasError: if the file cannot be read, and as :func:`read_yaml`.
    """
    return read_yaml(read_text(path, LARGEST), path)


def read_yaml(text: str, where: str) -> dict[Any, Any]:
    """Return the mapping in a document; an empty document is an empty mapping.

    Args:
        text: YAML document.
        where: name of the document in error messages, usually the path.

    Raises:
        AutodasError: if the document is not valid YAML, not a mapping, or too large.
    """
    document = _read(text, where)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise AutodasError(f"{where}: a mapping of keys to values is expected")
    return document


def read_value(text: str) -> Any:
    """Return the plain data that a text stands for: a number, a truth value, a list, or the text itself.

    Raises:
        ValueError: if the text is not valid YAML.
    """
    try:
        return _read(text, "value")
    except AutodasError as error:
        raise ValueError(str(error)) from error


def _read(text: str, where: str) -> Any:
    try:
        # A subclass of the safe loader, which constructs plain data only.
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise AutodasError(f"{place}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise AutodasError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def _check(node: yaml.Node, counted: dict[int, int]) -> int:
    """Check a node before constructing it, and return the number of values it expands to.

    Args:
        node: node to check.
        counted: number of values of each checked node, 0 during its check. Aliases lead to the same node.
    """

    def refuse(problem: str) -> None:
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    if id(node) in counted:
        if not counted[id(node)]:
            refuse("an alias contains itself")
        return counted[id(node)]
    counted[id(node)] = 0
    if node.tag not in _TAGS:
        refuse(f"could not determine a constructor for the tag '{node.tag}'")
    count = 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _FORMS and not _FORMS[node.tag].fullmatch(node.value):
            refuse(f"'{node.value}' is not of type {node.tag.removeprefix(_TAG)}")
        if node.tag in (f"{_TAG}seq", f"{_TAG}map"):
            refuse("a value cannot be a list or a mapping by its tag alone")
    else:
        if node.tag != f"{_TAG}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}":
            refuse(f"a list or a mapping is not of type {node.tag.removeprefix(_TAG)}")
        for item in node.value:
            for each in item if isinstance(item, tuple) else (item,):
                count += _check(each, counted)
                if count > _MOST:
                    refuse(f"more than {_MOST:,} values")
    counted[id(node)] = count
    return count


def write_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as YAML; tuples are written as lists and paths as text."""
    return yaml.dump(
        _plain(document),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10**6,
        default_flow_style=False,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value
