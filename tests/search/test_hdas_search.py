"""H-DAS from start to end: both levels, stopped and resumed in the second, then trained and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from autodas.cli.main import main
from autodas.genotype import Genotype
from autodas.report import cells_of_genotype, cells_of_run
from autodas.search._phase import PhaseRun

pytestmark = pytest.mark.slow

WORDS = [
    "search",
    "--data=digits",
    "--data.subset=100",
    "--space.name=cifar_stages-darts",
    "--space.K=1",
    "--space.C1=4",
    "--space.C2=8",
    "--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3",
    "--strategy=hdas",
    "--strategy.cells_a_stage=2",
    "--strategy.learning_rate=0.05",
    "--epochs=4",
    "--batch_size=25",
    "--tensorboard=false",
    "--check_memory=false",
    "--quiet",
]


def test_both_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*WORDS, f"--run={whole}"]) == 0
    step, count = PhaseRun.step, 0

    def fail_at_last(self: PhaseRun, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count == 7:  # of 8, in the second phase
            raise RuntimeError("the power is cut")
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PhaseRun, "step", fail_at_last)
    assert main([*WORDS, f"--run={stopped}"]) != 0
    monkeypatch.undo()
    torch.manual_seed(99)
    assert main(["search", f"--resume={stopped}", "--quiet"]) == 0
    for file in ("genotype.json", "metrics.csv", "candidates/01-hdas-cells.json"):
        assert (whole / file).read_bytes() == (stopped / file).read_bytes()

    genotype = Genotype.load(whole / "genotype.json")
    cells = Genotype.load(whole / "candidates/01-hdas-cells.json")
    assert genotype.cells == cells.cells
    assert list(cells.cells) == ["normal1", "reduction1", "normal2", "reduction2", "normal3"]
    assert list(genotype.stages) == ["stage1", "stage2", "stage3"]
    for record in json.loads((whole / "candidates/index.json").read_text()):
        assert record["rebuilt_equal"]
        assert 1 <= record["epoch"] <= 2

    size = ["--skeleton.K=1", "--skeleton.C1=4", "--skeleton.C2=8"]
    trained = ["train", str(whole), "--data=digits", "--data.subset=60", "--epochs=1", "--quiet", *size]
    assert main([*trained, f"--run={tmp_path / 'trained'}", "--tensorboard=false"]) == 0
    assert main(["evaluate", str(tmp_path / "trained"), "--data=digits"]) == 0
    assert main(["draw", str(whole), "-o", str(tmp_path / "cell.dot")]) == 0
    drawn = {path.name for path in tmp_path.glob("*.dot")}
    assert {"cell-normal1.dot", "cell-stage1.dot", "cell-stage3.dot"} <= drawn
    assert len(drawn) == 8


def test_stages_over_given_cells_with_the_reference_engine(tmp_path: Path) -> None:
    words = [word for word in WORDS if "epochs" not in word and "space.name" not in word]
    words += ["--strategy.level=stages", "--strategy.genotype=pdarts", "--epochs=1"]
    assert main([*words, "--supernet.engine=reference", f"--run={tmp_path / 'run'}"]) == 0
    (record,) = json.loads((tmp_path / "run/candidates/index.json").read_text())
    assert record["rebuilt_equal"]
    # Its log says what it wires, so that it can be drawn before it has finished.
    first = cells_of_run(tmp_path / "run", steps=0)
    assert [(cell.kind, cell.nodes, cell.graph) for cell in first] == [
        ("stage1", 2, True),
        ("stage2", 2, True),
        ("stage3", 2, True),
    ]
    drawn = cells_of_run(tmp_path / "run")
    assert drawn == cells_of_genotype(Genotype.load(tmp_path / "run/genotype.json"))[-3:]


def test_lengths_are_searched(tmp_path: Path) -> None:
    words = [word for word in WORDS if "epochs" not in word and "cells_a_stage" not in word]
    words += ["--strategy.level=stages", "--strategy.genotype=darts_v1", "--strategy.lengths=[2,3]"]
    assert main([*words, "--epochs=2", f"--run={tmp_path / 'run'}"]) == 0
    (record,) = json.loads((tmp_path / "run/candidates/index.json").read_text())
    assert record["rebuilt_equal"]
    stages = Genotype.load(tmp_path / "run/genotype.json").stages
    assert {len(stage.nodes) for stage in stages.values()} <= {2, 3}


@pytest.mark.parametrize("strategy", ["das", "sdas-a", "random"])
def test_nas_bench_201(strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        word for word in WORDS if "strategy" not in word and "space" not in word and "epochs" not in word
    ]
    words += [
        f"--strategy={strategy}",
        "--space.name=nasbench201",
        "--space.K=1",
        "--space.C2=16",
        "--epochs=1",
    ]
    words += ["--strategy.candidates=2"] if strategy == "random" else []
    run = tmp_path / "run"
    assert main([*words, f"--run={run}"]) == 0
    shown = capsys.readouterr().out
    for record in json.loads((run / "candidates/index.json").read_text()):
        assert record["rebuilt_equal"]
    string = next(line for line in shown.splitlines() if line.startswith("NAS-Bench-201: "))[15:]
    assert main(["profile", string, "--skeleton.name=nasbench201", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["string"] == string
    size = ["--skeleton.name=nasbench201", "--skeleton.K=1", "--skeleton.C2=16"]
    trained = ["train", string, "--data=digits", "--data.subset=60", "--epochs=1", "--quiet", *size]
    assert main([*trained, f"--run={tmp_path / 'trained'}", "--tensorboard=false"]) == 0
    assert main(["evaluate", str(tmp_path / "trained"), "--data=digits"]) == 0
    assert main(["draw", string, "-o", str(tmp_path / "cell.dot")]) == 0
    assert (tmp_path / "cell.dot").exists()
