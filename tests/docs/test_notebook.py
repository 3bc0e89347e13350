"""The notebook of the documentation: stored as it was executed, and it can be executed again."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
FILE = DOCS / "notebooks" / "search.ipynb"
NOTEBOOK: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
OUTPUTS = [output for cell in CODE for output in cell["outputs"]]


def text(value: Any) -> str:
    """Return a text of the format: one text, or lines with their ends."""
    assert isinstance(value, str) or all(isinstance(line, str) for line in value)
    if not isinstance(value, str):
        assert all(line.endswith("\n") for line in value[:-1])
    return "".join(value)


def test_it_can_be_read_without_running() -> None:
    """Both kinds of cells, the weights of all their edges, the digits that were read, and how well."""
    assert FILE.stat().st_size < 300_000
    html = [text(output["data"]["text/html"]) for output in OUTPUTS if "text/html" in output.get("data", ())]
    assert len(html) == 2, "the result and the run"
    for shown in html:
        (drawing,) = re.findall(r"<svg width.*</svg>", shown, re.DOTALL)
        texts = [
            each.text for each in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")
        ]
        assert {"normal cell", "reduction cell"} <= {*texts}
    (weights,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html[1])
    charts = list(ElementTree.fromstring(b64decode(weights)).iter("{http://www.w3.org/2000/svg}g"))
    assert sum(chart.get("class") == "edge" for chart in charts) == 28
    (picture,) = [output["data"]["image/png"] for output in OUTPUTS if "image/png" in output.get("data", ())]
    assert Image.open(BytesIO(b64decode(picture))).size == (720, 60)
    printed = "".join(text(output["text"]) for output in OUTPUTS if "text" in output)
    read, labels = (re.search(rf"{word} +((?:\d ?)+)", printed) for word in ("read as", "labels"))
    assert read is not None
    assert labels is not None
    pairs = zip(read[1].split(), labels[1].split(), strict=True)
    assert sum(found == label for found, label in pairs) >= 10, "of twelve"


def test_outputs_tell_nothing_of_the_machine() -> None:
    told = json.dumps(OUTPUTS)
    assert not re.findall(r"(?<![\w<.])/(?:home|root|tmp|usr|var|work|Users)/|[A-Z]:\\\\", told)
    assert str(DOCS.parent) not in told
    assert " at 0x" not in told


def kinds(cell: Any) -> tuple[list[list[str]], set[str]]:
    """Return what a cell shows, in order, and the streams it prints to: time decides into how many pieces."""
    shown = [sorted(output["data"]) for output in cell["outputs"] if "data" in output]
    return shown, {output["name"] for output in cell["outputs"] if output["output_type"] == "stream"}


@pytest.mark.slow
def test_it_runs_in_jupyter(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(FILE, 4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=200).execute()
    executed = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [kinds(cell) for cell in executed] == [kinds(cell) for cell in CODE], "stored from other code?"
    found = re.search(r"([\d.]+) % of 360 test images are right", json.dumps(notebook))
    assert found is not None
    assert float(found[1]) > 85
    assert (tmp_path / "search.html").stat().st_size > 50_000


def test_the_site_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(DOCS / "hooks")
    page = import_module("notebooks").markdown_of(NOTEBOOK, FILE.name)
    assert page.startswith("# A search in a notebook\n")
    assert f"[This notebook]({FILE.name})" in page
    for cell in NOTEBOOK["cells"]:
        assert text(cell["source"]) in page
    assert page.count("```python\n") == len(CODE)
    assert page.count("normal cell") >= 2
    for line in page.splitlines():
        if line.startswith("<div>"):
            assert line.endswith("</div>"), "Markdown takes an empty line for the end of it"
