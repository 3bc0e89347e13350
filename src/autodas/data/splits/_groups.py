"""Groups of samples that are never separated by a split: patients, source videos, cameras."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from autodas.errors import AutodasError


def groups_of(
    name: str, wanted: str, keys: Sequence[str] | None, columns: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the name of the group of each sample.

    Args:
        name: name of the data set, for messages.
        wanted: a column, in upper or lower case, or a regular expression that is searched for in each key:
            its first group names the group, or the whole match if it has none.
        keys: names of the samples, such as their paths in the data set.
        columns: columns of the list or table of the samples.

    Raises:
        AutodasError: if the column is missing, its values are neither text nor integers, the expression is
            malformed, or a sample has no group.
    """
    column = _column(wanted, columns)
    if column is not None:
        groups = [str(value) for value in columns[column]]
        empty = [place for place, group in enumerate(groups) if not group]
        if empty:
            where = keys[empty[0]] if keys is not None else f"sample {empty[0]}"
            raise AutodasError(
                f"{name}: {len(empty)} of {len(groups)} samples have no value in the column '{column}' "
                f"of groups, such as {where}"
            )
        return groups
    known = f"its columns are {', '.join(columns)}" if columns else "it has no columns"
    if keys is None:
        raise AutodasError(
            f"{name}: groups '{wanted}' is no column ({known}), and its samples have no paths in which a "
            "pattern could be found: omit groups"
        )
    try:
        pattern = re.compile(wanted)
    except re.error as error:
        raise AutodasError(
            f"{name}: groups '{wanted}' is neither a column ({known}) nor a regular expression ({error})"
        ) from error
    matches = [pattern.search(key) for key in keys]
    names = [match[1 if pattern.groups else 0] if match else None for match in matches]
    groups = [group for group in names if group]
    if len(groups) < len(names):
        first = next(key for key, group in zip(keys, names, strict=True) if not group)
        raise AutodasError(
            f"{name}: groups '{wanted}' is no column ({known}), and as a pattern it finds nothing in "
            f"{len(names) - len(groups)} of {len(names)} paths, such as {first}"
        )
    return groups


def _column(wanted: str, columns: Mapping[str, Sequence[str]]) -> str | None:
    """Return the column of that name, or else the first one that differs only in case."""
    alike = (name for name in columns if name.lower() == wanted.lower())
    return wanted if wanted in columns else next(alike, None)
