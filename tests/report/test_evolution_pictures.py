"""The evolution of a search as a film, and its cells as pictures for TensorBoard: nothing may jump."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from tests.report.watch.logs import decision, write_run

from autodas.errors import AutodasError
from autodas.report import CellPictures, draw_evolution, states_of_run
from autodas.report.drawing._animation import frames
from autodas.report.drawing._colours import NEW

DECISIONS = [
    decision(1, [0, 2], "sep_conv_3x3"),
    decision(2, [0, 3], "skip_connect"),
    decision(3, [1, 3], "dil_conv_5x5"),
    decision(4, [2, 3], "max_pool_3x3"),
    {"event": "decision", "iteration": 5, "kind": "normal", "what": "node", "state": 3, "kept": [0, 2]},
]
SVG = "{http://www.w3.org/2000/svg}"


def places(svg: str) -> dict[str, str]:
    """Return where the states of a picture are, and its size."""
    root = ElementTree.fromstring(svg)
    found = {"size": root.attrib["viewBox"]}
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if group.attrib.get("class") == "node" and title is not None and title.text:
            text = group.find(f"{SVG}text")
            if text is not None:
                found[title.text] = f"{text.attrib['x']} {text.attrib['y']}"
    return found


def test_states_and_labels_keep_their_place(tmp_path: Path) -> None:
    pictures = list(frames(states_of_run(write_run(tmp_path, *DECISIONS))))
    assert len(pictures) == 6
    first = places(pictures[0])
    assert {"c[k-2]", "c[k-1]", "2", "3", "4", "5", "output", "edge_0", "edge_13"} < set(first)
    for picture in pictures:
        now = places(picture)
        # The label of a removed edge is invisible, everything else stays where it was.
        assert {name: place for name, place in first.items() if name in now} == now
    gone = set(first) - set(places(pictures[-1]))
    assert gone == {"edge_3"}, "the node keeps two of its three edges"


def test_what_was_just_decided_is_highlighted(tmp_path: Path) -> None:
    pictures = list(frames(states_of_run(write_run(tmp_path, *DECISIONS))))
    assert [picture.count(f'fill="{NEW}"') for picture in pictures] == [0, 1, 1, 1, 1, 2]
    assert (
        "decision 3 of 5, iteration 3: normal edge 1-3 becomes dil_conv_5x5; architectures left: 997"
        in (pictures[3])
    )
    assert "normal node 3 reads 0 and 2" in pictures[5]


def test_undecided_edges_are_dashed(tmp_path: Path) -> None:
    pictures = list(frames(states_of_run(write_run(tmp_path, *DECISIONS))))
    # Two lines an edge, before and behind its label.
    assert [picture.count("stroke-dasharray") for picture in pictures] == [28, 26, 24, 22, 20, 20]
    assert [len(re.findall(">sep_conv_3x3<", picture)) for picture in pictures] == [0, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_the_film(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *DECISIONS)
    film = draw_evolution(run, tmp_path / "evolution.gif")
    with Image.open(film) as image:
        assert image.format == "GIF"
        assert image.n_frames == 6
        assert image.info["loop"] == 0
        shown = []
        for number in range(6):
            image.seek(number)
            shown.append(image.info["duration"])
            if number == 0:
                first = image.convert("RGB")
        last = image.convert("RGB")
    assert shown == [600] * 5 + [3000]
    # The states on the left are the same pixels from the first picture to the last.
    box = (0, 60, 40, first.height - 60)
    assert ImageChops.difference(first.crop(box), last.crop(box)).getbbox() is None
    assert ImageChops.difference(first, last).getbbox() is not None


def test_more_architectures_than_a_number_can_say(tmp_path: Path) -> None:
    run = write_run(tmp_path, {**DECISIONS[0], "remaining": 12 * 10**400})
    assert "architectures left: 1.2e401" in list(frames(states_of_run(run)))[1]


def test_where_there_is_no_evolution(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="has no decisions yet"):
        draw_evolution(write_run(tmp_path), tmp_path / "a.gif")
    with pytest.raises(AutodasError, match="is this the run folder of a search"):
        draw_evolution(tmp_path / "absent", tmp_path / "a.gif")


def test_a_film_needs_what_draws_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(AutodasError, match=r"resvg-py.*pip install 'autodas\[viz\]'"):
        draw_evolution(write_run(tmp_path, *DECISIONS), tmp_path / "a.gif")


@pytest.mark.slow
def test_pictures_of_what_has_changed(tmp_path: Path) -> None:
    pictures = CellPictures(write_run(tmp_path, *DECISIONS[:1]))
    (first,) = pictures().values()
    assert pictures() == {}
    write_run(tmp_path, *DECISIONS)
    found = pictures()
    assert list(found) == ["normal"]
    with Image.open(BytesIO(first)) as one, Image.open(BytesIO(found["normal"])) as other:
        assert one.format == "PNG"
        assert one.size == other.size
    assert found["normal"] != first
