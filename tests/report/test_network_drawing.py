"""Whole networks as pictures: every cell that is built is there."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.report import draw_network, skeleton_of_run
from autodas.report.drawing._network import network_dot
from autodas.spaces import SKELETONS, fit_skeleton, get_skeleton
from autodas.zoo import load_zoo


@pytest.mark.parametrize("name", SKELETONS)
def test_every_cell_with_its_kind_width_and_stride(name: str) -> None:
    skeleton = get_skeleton(name)
    text = network_dot(skeleton)
    labels = re.findall(r'cell_(\d+) \[label="([^"]*)"', text)
    expected = [
        f"{slot.part}\\nC = {slot.width}" + (f"\\nstride {'x'.join(map(str, slot.stride))}" * slot.reduces)
        for slot in skeleton.slots()
    ]
    assert labels == [(str(number), label) for number, label in enumerate(expected)]
    assert f"C1 = {skeleton.C1}" in text


def test_cells_read_the_two_before_them() -> None:
    text = network_dot(get_skeleton("cifar").with_size(K=1))
    lines = set(re.findall(r"(\w+) -> (\w+)", text))
    cells = [f"cell_{number}" for number in range(5)]
    chain = ["stem", *cells, "classifier"]
    assert set(itertools.pairwise(chain)) <= lines
    # Both inputs of the first cell are the stem, as is the older one of the second.
    older = set(zip(["stem", *cells[:3]], cells[1:], strict=True))
    assert lines == set(itertools.pairwise(chain)) | older


def test_cells_that_read_one_have_one_line() -> None:
    text = network_dot(get_skeleton("nasbench201").with_size(K=2))
    lines = re.findall(r"(\w+) -> (\w+)", text)
    assert len(lines) == len(get_skeleton("nasbench201").with_size(K=2).slots()) + 1


def test_the_cells_of_stage_graphs_are_wired() -> None:
    genotype = load_zoo("hdas_cifar_darts_v1")
    skeleton = fit_skeleton(get_skeleton("cifar"), genotype)
    text = network_dot(skeleton, genotype.stages)
    slots = [slot for slot in skeleton.slots() if slot.graph]
    for slot in slots:
        graph = genotype.stages[slot.graph or ""]
        cells = re.findall(rf"^ *cell_{slot.index}_(\d+) \[label", text, re.MULTILINE)
        assert cells == [str(graph.inputs + node) for node in range(len(graph.nodes))]
        for state, edge in graph.edges():
            if edge.predecessor >= graph.inputs:
                line = f"cell_{slot.index}_{edge.predecessor} -> cell_{slot.index}_{state} "
                assert f'{line}[label="{edge.operation}"' in text
        ends = re.findall(rf"cell_{slot.index}_(\d+) -> concat_{slot.index} ", text)
        assert tuple(map(int, ends)) == graph.concat
    assert len(slots) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "begin"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_files(tmp_path: Path, suffix: str, begin: bytes) -> None:
    file = draw_network(get_skeleton("video"), tmp_path / f"network{suffix}")
    assert file.read_bytes().startswith(begin)
    with pytest.raises(AutodasError, match="cannot draw to"):
        draw_network(get_skeleton("video"), tmp_path / "network.bmp")


def test_the_command_takes_the_skeleton_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("space: {name: video-o3d, K: 3, C1: null, C2: 32}\n")
    (run / "events.jsonl").write_text("{}\n")
    found = skeleton_of_run(run)
    assert found == get_skeleton("video").with_size(K=3, C2=32)
    output = tmp_path / "network.dot"
    assert main(["draw", str(run), "--network", "-o", str(output)]) == 0
    assert output.read_text().count('label="normal\\nC') == 9
    (run / "config.yaml").write_text("skeleton: {name: cifar, K: 1, C1: 8, C2: 16}\n")
    assert skeleton_of_run(run) == get_skeleton("cifar").with_size(1, 8, 16)
    assert skeleton_of_run(tmp_path / "absent") is None


def test_the_command_says_what_does_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["darts_v2", "--skeleton.K", "3"], "--skeleton requires --network"),
        (["darts_v2", "--network", "-o", "a.gif"], "cannot animate a network"),
        (["darts_v2", "-o", "a.gif"], "requires the run folder of a search"),
    ):
        assert main(["draw", *words]) == 2
        assert said in capsys.readouterr().err
