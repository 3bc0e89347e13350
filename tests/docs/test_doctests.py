"""The examples in the docstrings of the public page, and of a few names that pages cite."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import autodas
from autodas import flags, zoo
from autodas.operations import _registry
from autodas.strategies import registry

PLACES = {**{name: getattr(autodas, name) for name in autodas.__all__}, "zoo": zoo, "flags": flags}
PLACES["registry"] = registry
TESTS = {
    name: test
    for name, place in PLACES.items()
    if not isinstance(place, str)
    for test in doctest.DocTestFinder(recurse=True, exclude_empty=True).find(place, name)
    if test.examples
}


def test_most_public_functions_have_an_example() -> None:
    assert len(TESTS) >= 15


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.slow
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_registry, "_BUILDERS", dict(_registry._BUILDERS))
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(TESTS[name])
    assert result.failed == 0
