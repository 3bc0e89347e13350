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


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "index.html").read_text()
    assert 'id="autodas.Search"' in page
    assert ":class:" not in page
    commands = (tmp_path / "commands" / "index.html").read_text()
    assert len(re.findall(r'<h2 id="autodas-', commands)) == sum(map(len, all_usages().values()))
    assert "<code>--optim.lr NUMBER</code>" in commands
    for html in tmp_path.rglob("*.html"):
        # Nothing that a browser loads by itself comes from another host.
        assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="https?:', html.read_text()), html.name
