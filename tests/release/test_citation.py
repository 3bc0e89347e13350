"""The papers of CITATION.cff are those of the methods, options, spaces and genotypes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import autodas

ROOT = Path(__file__).parents[2]
PACKAGE = Path(autodas.__file__).parent

# Types of references and keys by version 1.2.0 of the Citation File Format, as far as they are used.
TYPES = {"article", "conference-paper"}
KEYS = {"type", "title", "authors", "conference", "year", "identifiers", "notes"}


@pytest.fixture
def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    return found


@pytest.fixture
def papers(citation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the references by their number in arXiv."""
    return {
        paper["identifiers"][0]["value"].removeprefix("arXiv:"): paper for paper in citation["references"]
    }


def test_the_form(citation: dict[str, Any], papers: dict[str, dict[str, Any]]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= set(citation)
    assert len(papers) == len(citation["references"])
    for number, paper in papers.items():
        assert re.fullmatch(r"\d{4}\.\d{5}", number)
        assert set(paper) <= KEYS
        assert paper["type"] in TYPES
        assert (paper["type"] == "conference-paper") == ("conference" in paper)
        assert all(set(author) == {"given-names", "family-names"} for author in paper["authors"])


def test_sources_of_the_published_genotypes(papers: dict[str, dict[str, Any]]) -> None:
    sources = json.loads((PACKAGE / "zoo" / "sources.json").read_text())
    for source in sources.values():
        paper = papers[source["arxiv"]]
        assert paper["title"] == source["title"]
        assert ", ".join(author["family-names"] for author in paper["authors"]) == source["authors"]
        assert source["venue"].endswith(str(paper["year"]))


def test_titles_in_the_documentation(papers: dict[str, dict[str, Any]]) -> None:
    titles = {paper["title"] for paper in papers.values()}
    cited = set()
    for page in [*(ROOT / "docs" / "methods").glob("*.md"), ROOT / "docs" / "detection.md"]:
        # (Authors: *Title*, year) or (authors, *Title*, conference year)
        found = re.findall(r"\([A-Z][^()*]*[:,]\s\*([^*]{20,})\*,\s[^()]*\d{4}\)", page.read_text())
        cited.update(" ".join(title.split()) for title in found)
    assert len(cited) > 6
    assert cited <= titles


def test_methods_known_by_the_names_of_their_authors(papers: dict[str, dict[str, Any]]) -> None:
    found = {(paper["authors"][0]["family-names"], paper["year"]) for paper in papers.values()}
    options = (ROOT / "docs" / "methods" / "improvements.md").read_text()
    named = re.findall(r"\(([A-Z]\w+)(?: et al\.| and \w+)?, (\d{4})\)", options)
    assert len(named) > 5
    assert {(name, int(year)) for name, year in named} <= found
