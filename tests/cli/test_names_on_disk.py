"""Names of files and folders that are no UTF-8, or that would act on a terminal, work in every command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autodas.cli.main import main
from autodas.runs.reading import read_run
from autodas.terminal import visible
from autodas.training.model_file import load_model

pytestmark = pytest.mark.slow

CLASSES = (os.fsdecode(b"a\xe9"), "b\x1b[31m", "c\u202e")
SMALL = ["--epochs=1", "--batch_size=8", "--compute.threads=1", "--quiet"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    root = tmp_path / os.fsdecode(b"set\xff")
    try:
        for name in CLASSES:
            (root / name).mkdir(parents=True)
            for number in range(8):
                pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / name / os.fsdecode(b"%d\xff.png" % number))
    except OSError:
        pytest.skip("names must be UTF-8 on this file system")
    return root


def test_from_search_to_report(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / os.fsdecode(b"runs\xff")
    data, search, train = f"--data=imagefolder:{pictures}", runs / "search", runs / "train"
    space = ["--space.K=0", "--space.C1=16", "--space.C2=64", "--check_memory=false"]
    skeleton = ["--skeleton.K=0", "--skeleton.C1=16", "--skeleton.C2=64", "--auxiliary=false"]

    assert (
        main(
            [
                "search",
                data,
                *SMALL,
                *space,
                "--strategy=random",
                "--strategy.candidates=1",
                f"--run={search}",
            ]
        )
        == 0
    )
    assert f"genotype: {visible(str(search))}/genotype.json" in capsys.readouterr().out
    assert read_run(search).settings["data"]["name"] == f"imagefolder:{pictures}"

    assert main(["train", str(search), data, *SMALL, *skeleton, f"--run={train}"]) == 0
    assert load_model(train)[1].classes == CLASSES
    with open(train / "predictions.parquet", "rb") as file:
        names = pq.read_schema(file).metadata[b"classes"]
    assert tuple(names.decode("utf-8", "surrogatepass").split("\n")) == CLASSES

    capsys.readouterr()
    assert main(["evaluate", str(train), data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == str(train)

    assert main(["predict", str(train), str(pictures), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 24
    assert {Path(entry["file"]).parent.name for entry in found} == set(CLASSES)
    assert main(["predict", str(train), str(pictures)]) == 0
    out = capsys.readouterr().out
    assert visible(CLASSES[1]) in out
    assert "\x1b" not in out

    page = tmp_path / os.fsdecode(b"page\xff.html")
    assert main(["report", str(runs), "-o", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert all(visible(name) in text for name in CLASSES)
    assert "This part is missing" not in text
