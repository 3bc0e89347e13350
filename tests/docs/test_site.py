"""The documentation as a site: strict, complete, from this machine alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import autodas
from autodas.cli.usages import all_usages

ROOT = Path(__file__).parents[2]


def test_the_reference_has_every_public_name() -> None:
    listed = re.findall(r"^::: autodas\.(\w+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
    assert sorted([*listed, "__version__"]) == sorted(autodas.__all__)


def test_every_page_is_in_the_navigation() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert f": {page.relative_to(ROOT / 'docs').as_posix()}\n" in configuration


def test_links_lead_to_files() -> None:
    """Also where pages are read as they are, without the site."""
    count = 0
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]:
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`]*`", "", text)):
            if not re.match(r"https?:|mailto:|#", target):
                assert (page.parent / target.partition("#")[0]).exists(), f"{page}: {target}"
                count += 1
    assert count > 100


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "index.html").read_text()
    assert 'id="autodas.Search"' in page
    assert ":class:" not in page
    start = (tmp_path / "index.html").read_text()
    assert 'href="notebooks/search/"' in start
    assert ".ipynb" not in start
    assert 'href="../search.ipynb"' in (tmp_path / "notebooks/search/index.html").read_text()
    commands = (tmp_path / "commands" / "index.html").read_text()
    assert len(re.findall(r'<h2 id="autodas-', commands)) == sum(map(len, all_usages().values()))
    assert "<code>--optim.lr NUMBER</code>" in commands
    for html in tmp_path.rglob("*.html"):
        # Nothing that a browser loads by itself comes from another host.
        assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="https?:', html.read_text()), html.name
