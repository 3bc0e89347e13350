"""Conversion of single values from text or YAML to the type of their field."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from autodas.strict_yaml import read_value

_ONE = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_MANY = {bool: "booleans", int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}


def convert(hint: Any, value: Any, from_text: bool) -> Any:
    """Return a value converted to the type of its field.

    Args:
        hint: type of the field.
        value: value as the user wrote it: text on the command line, plain data in YAML.
        from_text: whether it comes from the command line, where a list may be ``1,2`` and ``None`` is
            ``null``.

    Raises:
        ValueError: if the value does not have that type.
    """
    members = _members(hint)
    if from_text and value == "null" and type(None) in members:
        return None
    if value is None:
        if type(None) in members or Any in members:
            return None
        raise ValueError("a value is required")
    if isinstance(value, str) and str in members and (not from_text or len(members) == 1):
        return value
    if isinstance(value, str) and Path in members and value:
        return Path(value)  # whatever bytes its name has
    if from_text and takes_list(hint) and not value.lstrip().startswith("["):
        value = [part.strip() for part in value.split(",")] if value.strip() else []
    return _typed(hint, value)


def expected(hint: Any) -> str:
    """Return a description of the values of a field, such as ``"a list of 2 numbers"``."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(_word, get_args(hint)))}"
    if get_origin(hint) in (tuple, list):
        items = [item for item in get_args(hint) if item is not Ellipsis]
        if items and get_origin(items[0]) is Literal:
            return f"a list of {', '.join(map(_word, get_args(items[0])))}"
        count = "" if takes_any_number(hint) else f"{len(items)} "
        return f"a list of {count}{_MANY.get(items[0], 'values')}" if items else "a list"
    if get_origin(hint) is dict or hint is dict:
        return "a mapping"
    members = _members(hint)
    if len(members) > 1:
        return " or ".join("null" if member is type(None) else expected(member) for member in members)
    return _ONE.get(hint, "a value")


def placeholder(hint: Any) -> str:
    """Return the placeholder for a value of this type in ``--help``."""
    names = {bool: "BOOL", int: "INT", float: "NUMBER", Path: "PATH", type(None): "null"}
    if get_origin(hint) is Literal:
        return f"{{{','.join(map(_word, get_args(hint)))}}}"
    if get_origin(hint) in (tuple, list):
        items = get_args(hint)
        item = placeholder(items[0]) if items else "VALUE"
        return f"{item},..." if takes_any_number(hint) else ",".join([item] * len(items))
    members = _members(hint)
    if len(members) > 1:
        return "|".join(placeholder(member) for member in members)
    return names.get(hint, "TEXT" if hint is str else "VALUE")


def show(value: Any) -> str:
    """Return a value as quoted in error messages, in YAML notation."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    return f"'{value}'" if isinstance(value, str) else _word(value)


def is_switch(hint: Any) -> bool:
    """Return whether an option of this type may be given without a value."""
    return bool in _members(hint)


def takes_list(hint: Any) -> bool:
    """Return whether a field takes several values."""
    return any(get_origin(member) in (tuple, list) for member in _members(hint))


def takes_any_number(hint: Any) -> bool:
    """Return whether a list may have any length."""
    return get_origin(hint) is list or Ellipsis in get_args(hint)


def _word(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _typed(hint: Any, value: Any) -> Any:
    """Return plain data, or text that stands for them, as a value of a type.

    Raises:
        ValueError: if they are of another type.
    """
    for member in _members(hint):
        try:
            return _typed_as(member, value)
        except ValueError:
            continue
    raise ValueError(f"expected {expected(hint)}")


def _typed_as(hint: Any, value: Any) -> Any:
    """Return a value as one type, which is not a union."""
    if hint is Any or (hint is str and isinstance(value, str)) or (hint is type(None) and value is None):
        return value
    if get_origin(hint) is Literal and value in get_args(hint):
        return value
    data = read_value(value) if isinstance(value, str) else value
    if hint is float and type(data) in (int, float):
        try:
            return float(data)
        except OverflowError as error:
            raise ValueError(str(error)) from error
    if hint in (bool, int) and type(data) is hint:
        return data
    if get_origin(hint) in (tuple, list) and isinstance(data, list | tuple):
        items, kinds = list(data), get_args(hint)
        kinds = (kinds[0],) * len(items) if takes_any_number(hint) else kinds
        return get_origin(hint)(_typed(kind, item) for kind, item in zip(kinds, items, strict=True))
    if (hint is dict or get_origin(hint) is dict) and isinstance(data, Mapping):
        key, item = get_args(hint) or (Any, Any)
        return {_typed(key, k): _typed(item, v) for k, v in data.items()}
    raise ValueError
