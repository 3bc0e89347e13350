"""All options against chance and collapse at once, on clips, with both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.data.videos import write_classes

from autodas.cli.main import main
from autodas.genotype import Genotype

pytestmark = pytest.mark.slow

OPTIONS = [
    "--strategy=sdas-a",
    "--strategy.learning_rate=0.05",
    "--strategy.warmup=0.2",
    "--strategy.settle=0.2",
    "--strategy.weights_only=0.2",
    "--strategy.beta_decay=5",
    "--strategy.smoothing=0.3",
    "--strategy.auxiliary_skip=1",
    "--strategy.stability=true",
    "--strategy.select=drop",
    "--finalists.searches=1",
    "--finalists.neighbours=0",
    "--finalists.random=1",
    "--finalists.epochs=1",
]


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_search_on_clips(engine: str, tmp_path: Path) -> None:
    videos = write_classes(tmp_path / "videos", train=6, test=1, frames=6)
    words = [
        *(f"--data=videofolder:{videos}", f"--data.cache={tmp_path / 'cache'}", "--data.frames=2"),
        *("--data.image_size=16", "--space.name=video-oadv", "--space.K=0", "--space.C1=4", "--space.C2=8"),
        "--space.operations=skip_connect,sep3d_conv_3x3x3",
        *(f"--supernet.engine={engine}", "--epochs=2", "--batch_size=4", "--check_memory=false"),
        *("--compute.threads=1", "--tensorboard=false", "--quiet", f"--run={tmp_path / 'run'}"),
    ]
    assert main(["search", *words, *OPTIONS]) == 0
    run = tmp_path / "run"
    finalists = [
        record for record in json.loads((run / "candidates/index.json").read_text()) if record["derived"]
    ]
    assert [record["origin"] for record in finalists] == ["search 1", "random"]
    # What was found is what was trained, on another path of computation: the network of the genotype.
    assert all(record["rebuilt_equal"] for record in finalists)
    best = max(finalists, key=lambda record: record["discrete"])
    assert Genotype.load(run / "genotype.json") == Genotype.load(run / best["file"])
