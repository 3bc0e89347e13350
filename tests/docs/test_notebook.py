"""The notebook of the documentation: stored as it was executed, and it can be executed again."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
FILE = DOCS / "notebooks" / "search.ipynb"
NOTEBOOK: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
OUTPUTS = [output for cell in CODE for output in cell["outputs"]]


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DOCS)
    return import_module("execute_notebook")


def text(value: Any) -> str:
    """Return a text of the format: one text, or lines with their ends."""
    assert isinstance(value, str) or all(isinstance(line, str) for line in value)
    if not isinstance(value, str):
        assert all(line.endswith("\n") for line in value[:-1])
    return "".join(value)


def kinds(cells: list[dict[str, Any]]) -> list[list[Any]]:
    """Return what kind of outputs each code cell has."""
    return [
        [output.get("name") or sorted(output["data"]) for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_the_file_has_the_format_of_notebooks() -> None:
    """As the JSON schema of format 4.5 asks for."""
    assert NOTEBOOK.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK["metadata"]["kernelspec"].keys() >= {"name", "display_name"}
    assert isinstance(NOTEBOOK["metadata"]["language_info"]["name"], str)
    identifiers = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len({*identifiers}) == len(identifiers)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", each) for each in identifiers)
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        more = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == {"cell_type", "id", "metadata", "source"} | more
        assert isinstance(cell["metadata"], dict)
        assert text(cell["source"]).strip()
    assert [cell["execution_count"] for cell in CODE] == [*range(1, len(CODE) + 1)]
    for output in OUTPUTS:
        if output["output_type"] == "stream":
            assert output.keys() == {"output_type", "name", "text"}
            assert output["name"] in ("stdout", "stderr")
            assert text(output["text"])
            continue
        assert output["output_type"] in ("execute_result", "display_data"), "no errors"
        result = {"execution_count"} if output["output_type"] == "execute_result" else set()
        assert output.keys() == {"output_type", "data", "metadata"} | result
        assert isinstance(output["metadata"], dict)
        assert "text/plain" in output["data"]
        assert all(re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind) for kind in output["data"])
        assert all(text(data) for data in output["data"].values())


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


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(
    execution: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the script that has stored the outputs, which needs no Jupyter."""
    monkeypatch.chdir(tmp_path)
    executed = execution.execute(NOTEBOOK)
    assert kinds(executed["cells"]) == kinds(NOTEBOOK["cells"]), "stored from other code?"
    printed = json.dumps(executed)
    found = re.search(r"([\d.]+) % of 360 test images are right", printed)
    assert found is not None
    assert float(found[1]) > 85
    assert (tmp_path / "search.html").stat().st_size > 50_000
    assert [cell["source"] for cell in executed["cells"]] == [cell["source"] for cell in NOTEBOOK["cells"]]


@pytest.mark.slow
def test_it_runs_in_jupyter(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.from_dict(NOTEBOOK)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=200).execute()
    results = [
        {kind for output in cell.outputs for kind in output.get("data", ())}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    # Jupyter asks objects for more forms, and divides what is printed.
    stored = [{kind for output in cell["outputs"] for kind in output.get("data", ())} for cell in CODE]
    assert all(own <= found for own, found in zip(stored, results, strict=True))


def test_what_cells_show_is_stored(execution: ModuleType) -> None:
    shown = (
        "class Shown:\n"
        "    def _repr_html_(self): return '<b>\\n</b>'\n"
        "    def _repr_svg_(self): return None\n"
        "    def _repr_png_(self): return b'\\x89'\n"
        "    def __repr__(self): return '<Shown at 0x7f00>'\n"
        "display(Shown())\n"
        "print('one')"
    )
    sources = [shown, "value = 3", ["value\n", "value + 1"], "None"]
    cells = [{"cell_type": "code", "source": source, "outputs": ["old"]} for source in sources]
    executed = execution.execute({"cells": [*cells, {"cell_type": "markdown", "source": "x"}]})["cells"]
    data = {"text/html": ["<b>\n", "</b>"], "image/png": "iQ==", "text/plain": ["<Shown>"]}
    assert executed[0]["outputs"] == [
        {"output_type": "display_data", "data": data, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": ["one\n"]},
    ]
    result = {"output_type": "execute_result", "execution_count": 3}
    assert [cell["outputs"] for cell in executed[1:4]] == [
        [],
        [{**result, "data": {"text/plain": ["4"]}, "metadata": {}}],
        [],
    ]
    assert executed[4] == {"cell_type": "markdown", "source": "x"}


def test_an_error_in_a_cell_ends_the_execution(execution: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError):
        execution.execute({"cells": [{"cell_type": "code", "source": "1 / 0"}]})


def test_the_site_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(DOCS)
    page = import_module("notebook_pages").markdown_of(NOTEBOOK, FILE.name)
    assert page.startswith("# A search in a notebook\n")
    assert f"[This notebook]({FILE.name})" in page
    for cell in NOTEBOOK["cells"]:
        assert text(cell["source"]) in page
    assert page.count("```python\n") == len(CODE)
    assert page.count("normal cell") >= 2
    for line in page.splitlines():
        if line.startswith("<div>"):
            assert line.endswith("</div>"), "Markdown takes an empty line for the end of it"
