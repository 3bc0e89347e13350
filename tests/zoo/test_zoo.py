"""The published architectures: all there, all valid, and found by what a user writes."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.zoo import load_genotype, load_zoo, zoo_entry, zoo_names

NAMES = [
    "darts_v1",
    "darts_v2",
    "pdarts",
    "pc_darts_cifar",
    "pc_darts_image",
    "snas_mild",
    "snas_moderate",
    "snas_aggressive",
    "gdas_v1",
    "nasnet",
    "amoebanet",
    "pnasnet",
    "hdas_cells",
    "hdas_cifar_darts_v1",
    "hdas_imagenet_darts_v1",
]

SHORT = {
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "s7": "sep_conv_7x7",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
    "sk": "skip_connect",
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
    "f7": "conv_7x1_1x7",
    "no": "none",
}


def compact(genotype: Genotype, kind: str) -> str:
    long = {name: short for short, name in SHORT.items()}
    nodes = genotype.parts[kind].nodes
    return " . ".join(" ".join(f"{long[e.operation]}:{e.predecessor}" for e in node) for node in nodes)


def test_the_names() -> None:
    assert set(NAMES) <= set(zoo_names())


def test_every_file_is_listed() -> None:
    stored = {path.name for path in files("autodas.zoo").joinpath("genotypes").iterdir()}
    assert stored == {f"{name}.json" for name in zoo_names()}


@pytest.mark.parametrize("name", zoo_names())
def test_every_file_is_valid_and_formatted_as_it_would_be_written(name: str) -> None:
    genotype = load_zoo(name)
    entry = zoo_entry(name)
    text = files("autodas.zoo").joinpath("genotypes", entry.file).read_text(encoding="utf-8")
    assert text == genotype.to_json()
    assert genotype.space == entry.space
    assert genotype.space is not None
    assert entry.published_as == genotype.name
    assert entry.name == genotype.name.lower()
    if name == "hdas_cells":
        assert list(genotype.cells) == ["normal1", "reduction1", "normal2", "reduction2", "normal3"]
    else:
        assert set(genotype.cells) == {"normal", "reduction"}
    wired = name in ("hdas_cifar_darts_v1", "hdas_imagenet_darts_v1")
    assert list(genotype.stages) == (["stage1", "stage2", "stage3"] if wired else [])


@pytest.mark.parametrize("name", zoo_names())
def test_every_entry_says_where_it_comes_from(name: str) -> None:
    entry = zoo_entry(name)
    assert len(entry.source) > 30
    assert entry.arxiv.count(".") == 1
    assert entry.published or name == "gdas_v1"
    for numbers in entry.published.values():
        assert 1 < numbers.get("error", 3) < 40
        assert 2e6 < numbers.get("parameters", 3e6) < 7e6
        assert 400e6 < numbers.get("multiply_adds", 500e6) < 600e6


@pytest.mark.parametrize(
    ("name", "kind", "nodes", "concat"),
    [
        ("darts_v2", "normal", "s3:0 s3:1 . s3:0 s3:1 . s3:1 sk:0 . sk:0 d3:2", (2, 3, 4, 5)),
        ("darts_v1", "reduction", "mp:0 mp:1 . sk:2 mp:0 . mp:0 sk:2 . sk:2 ap:0", (2, 3, 4, 5)),
        ("pdarts", "normal", "sk:0 d3:1 . sk:0 s3:1 . s3:1 s3:3 . s3:0 d5:4", (2, 3, 4, 5)),
        ("pc_darts_cifar", "reduction", "s5:1 mp:0 . s5:1 s5:2 . s3:0 s3:3 . s3:1 s3:2", (2, 3, 4, 5)),
        ("snas_aggressive", "reduction", "s5:0 no:1 . s5:0 no:1 . no:1 no:0 . no:1 no:0", (2, 3, 4, 5)),
        ("nasnet", "normal", "s5:1 s3:0 . s5:0 s3:0 . ap:1 sk:0 . ap:0 ap:0 . s3:1 sk:1", (2, 3, 4, 5, 6)),
        ("nasnet", "reduction", "s5:1 s7:0 . mp:1 s7:0 . ap:1 s5:0 . sk:3 ap:2 . s3:2 mp:1", (4, 5, 6)),
        ("amoebanet", "normal", "ap:0 mp:1 . s3:0 s5:2 . s3:0 ap:3 . s3:1 sk:1 . sk:0 ap:1", (4, 5, 6)),
        ("hdas_cells", "normal1", "s3:0 s3:1 . s3:0 s3:1 . s3:0 s3:1 . s3:2 s3:3", (2, 3, 4, 5)),
        ("hdas_cells", "reduction1", "mp:0 sk:1 . mp:0 mp:2 . s3:0 sk:1 . s3:0 d3:4", (2, 3, 4, 5)),
        ("hdas_cells", "normal2", "sk:0 d3:1 . sk:0 s3:1 . sk:0 s3:1 . sk:0 s3:1", (2, 3, 4, 5)),
        ("hdas_cells", "reduction2", "mp:0 d3:1 . mp:0 d5:2 . mp:0 d5:3 . mp:0 sk:4", (2, 3, 4, 5)),
        ("hdas_cells", "normal3", "d5:0 s3:1 . s3:1 d3:2 . d3:0 s5:2 . s5:3 s3:4", (2, 3, 4, 5)),
        (
            "hdas_cifar_darts_v1",
            "stage1",
            "sk:0 sk:1 . sk:0 sk:1 . sk:1 mp:2 . mp:2 sk:4 . mp:3 sk:5 . mp:4 sk:6",
            (6, 7),
        ),
        (
            "hdas_cifar_darts_v1",
            "stage2",
            "mp:0 mp:1 . sk:0 sk:1 . sk:1 sk:2 . mp:2 sk:3 . sk:3 mp:5 . ap:4 sk:6",
            (6, 7),
        ),
        (
            "hdas_cifar_darts_v1",
            "stage3",
            "sk:0 sk:1 . sk:1 sk:2 . sk:2 sk:3 . mp:2 sk:3 . mp:3 sk:5 . mp:4 mp:5",
            (6, 7),
        ),
        ("hdas_imagenet_darts_v1", "stage1", "mp:0 mp:1 . sk:0 sk:2 . sk:2 sk:3 . sk:2 ap:4", (4, 5)),
        ("hdas_imagenet_darts_v1", "stage2", "sk:0 sk:1 . sk:1 sk:2 . sk:2 sk:3 . sk:3 sk:4", (4, 5)),
        ("hdas_imagenet_darts_v1", "stage3", "sk:0 sk:1 . sk:1 sk:2 . sk:2 sk:3 . mp:2 sk:3", (4, 5)),
        ("amoebanet", "reduction", "ap:0 s3:1 . mp:0 s7:2 . s7:0 ap:1 . mp:0 mp:1 . f7:0 s3:5", (3, 4, 6)),
    ],
)
def test_cells_as_published(name: str, kind: str, nodes: str, concat: tuple[int, ...]) -> None:
    genotype = load_zoo(name)
    assert compact(genotype, kind) == nodes
    assert genotype.parts[kind].concat == concat


def test_pnasnet_has_one_cell_in_both_places() -> None:
    cells = load_zoo("pnasnet").cells
    assert cells["normal"] == cells["reduction"]


def test_spaces() -> None:
    spaces = Counter(load_zoo(name).space for name in NAMES)
    assert spaces == {"darts": 11, "snas": 1, "nasnet": 3}


def test_stage_graphs_are_of_the_cells_that_their_name_says() -> None:
    for name in ("hdas_cifar_darts_v1", "hdas_imagenet_darts_v1"):
        assert load_zoo(name).cells == load_zoo("darts_v1").cells


@pytest.mark.parametrize("name", ["darts_v2", "DARTS_V2", "darts-v2", "Darts-V2 "])
def test_case_and_dashes_do_not_matter(name: str) -> None:
    assert load_zoo(name).name == "DARTS_V2"
    assert load_genotype(name).name == "DARTS_V2"


def test_an_unknown_name_names_the_nearest() -> None:
    for lookup in (load_zoo, zoo_entry, load_genotype):
        with pytest.raises(AutodasError, match="'dart_v2'; did you mean 'darts_v2'"):
            lookup("dart_v2")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    load_zoo("gdas_v1").save(path)
    assert load_genotype(path) == load_zoo("gdas_v1") == load_genotype(str(path))


def test_a_run_folder(tmp_path: Path) -> None:
    load_zoo("gdas_v1").save(tmp_path / "genotype.json")
    assert load_genotype(tmp_path) == load_zoo("gdas_v1")


def test_an_existing_path_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load_zoo("gdas_v1").save(tmp_path / "darts_v1")
    assert load_genotype("darts_v1").name == "GDAS_V1"


def test_a_run_that_has_not_finished(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"event": "start"}\n')
    with pytest.raises(AutodasError, match="the search has not finished"):
        load_genotype(tmp_path)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="not a run folder"):
        load_genotype(tmp_path)


@pytest.mark.parametrize("reference", ["absent.json", "runs/absent"])
def test_a_path_that_is_absent(reference: str) -> None:
    with pytest.raises(AutodasError, match=f"{reference}: no such file or run folder"):
        load_genotype(reference)


def test_what_is_read_is_checked_against_its_space(tmp_path: Path) -> None:
    document = load_zoo("darts_v2").to_dict()
    document["cells"]["normal"]["nodes"][2][0][0] = "none"
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    with pytest.raises(AutodasError, match=r"mine\.json: cells\.normal\.nodes\[2\]\[0\]: operation 'none'"):
        load_genotype(path)
    path.rename(tmp_path / "genotype.json")
    with pytest.raises(
        AutodasError, match=r"genotype\.json: cells\.normal\.nodes\[2\]\[0\]: operation 'none'"
    ):
        load_genotype(tmp_path)
