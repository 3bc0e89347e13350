"""Bad input: one clear line, exit code 2, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autodas.cli.main import main
from autodas.loop import _iterations, load_checkpoint
from autodas.zoo import load_zoo

SMALL = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--epochs=1", "--batch_size=16", "--quiet"]
SMALL += ["--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3", "--check_memory=false"]
SMALL += ["--tensorboard=false"]
DIGITS = ["--data=digits", "--data.subset=60"]


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command that must fail; return its one line, before which there may be notes on the data."""
    assert main([str(word) for word in words]) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("autodas: error: ")
    return lines[0]


def save_images(folder: Path, count: int, size: int = 12) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["serch"], "did you mean 'search'"),
        (["search", "--epoch=3"], "--epochs"),
        (["search", "--strategy=sdsa"], "sdas"),
        (["search", "--strategy=das", "--strategy.schedule=c"], "belongs to sdas, not das"),
        (["search", "--space=cifar-o2"], "cifar-o2d"),
        (["search", "--data=digit"], "digits"),
        (["search", "--supernet.engine=fast"], "reference"),
        (["search", "--strategy=sdas", "--strategy.schedule=z"], "z"),
        (["search", "--epochs=0"], "epochs"),
        (["search", "--batch_size=1"], "batch_size"),
        (["search", "--space.C2=20"], "multiple of 8"),
        (["search", "--optim.lr=-1"], "optim.lr"),
        (["search", "--supernet.partial_channels=0"], "partial_channels=0"),
        (["search", "--supernet.partial_channels=4", "--space.C2=16"], "multiple of 32"),
        (["search", "--supernet.partial_channels=3", "--dry_run"], "multiple of 24"),
        (["search", "--preset=quickstrat"], "quickstart"),
        (["search", "--preset=cifar10-eval"], "'train' has"),
        (["search", "--compute.device=tpu9"], "tpu9"),
        (["search", "--data=cifar10:/nowhere"], "/nowhere"),
        (["search", "--data=imagefolder:/nowhere"], "/nowhere"),
        (["search", "--data=python:no_such_module:f"], "no_such_module"),
        (["search", "--resume=/nowhere"], "holds no run"),
        (["train", "darts_v3"], "darts_v"),
        (["train"], "GENOTYPE"),
        (["profile", "darts_v2", "--preset=cifar"], "cifar10-eval"),
        (["zoo", "show", "pdart"], "pdarts"),
        (["zoo", "lst"], "list"),
        (["space", "show", "cifar-o3d"], "cifar-o2d"),
        (["predict", "/nowhere", "x.png"], "/nowhere"),
        (["evaluate", "/nowhere"], "/nowhere"),
        (["draw", "darts_v2", "-o", "cell.txt"], ".svg"),
    ],
)
def test_refused_in_one_line(
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[0] in ("search", "train", "evaluate") and not any(word.startswith("--data=") for word in words):
        words = [*words, "--data=digits"]
    assert expected in refused(capsys, *words)
    assert list(tmp_path.iterdir()) == [], "nothing is written before everything has been checked"


def test_unknown_key_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.yaml").write_text("optim: {learning_rate: 0.1}\nepochs: 3\n")
    assert "optim.learning_rate" in refused(capsys, "search", f"--config={tmp_path / 'my.yaml'}", *DIGITS)


def test_data_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(capsys, "search", f"--data=imagefolder:{tmp_path / 'empty'}", *SMALL)
    save_images(tmp_path / "lonely/train/many", 8)
    save_images(tmp_path / "lonely/train/single", 1)
    save_images(tmp_path / "lonely/test/many", 2)
    save_images(tmp_path / "lonely/test/single", 1)
    words = ["search", f"--data=imagefolder:{tmp_path / 'lonely'}", *SMALL, f"--run={tmp_path / 'run'}"]
    assert "single" in refused(capsys, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_corrupt_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "test"):
        for label in ("a", "b"):
            save_images(tmp_path / f"set/{split}/{label}", 20)
    (tmp_path / "set/train/a/broken.png").write_bytes(b"\x89PNG not an image")
    data = f"--data=imagefolder:{tmp_path / 'set'}"
    assert main(["data", "check", f"imagefolder:{tmp_path / 'set'}", "--json"]) == 0
    assert any("broken.png" in name for name in json.loads(capsys.readouterr().out)["bad"])
    assert main(["search", data, *SMALL, f"--run={tmp_path / 'run'}"]) == 0
    capsys.readouterr()
    for i in range(5):
        (tmp_path / f"set/train/b/broken{i}.png").write_bytes(b"no image")
    message = refused(capsys, "search", data, *SMALL, f"--run={tmp_path / 'other'}")
    assert "broken" in message
    assert "max_bad" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.update(schema=9), "schema 9"),
        (lambda d: d["cells"]["normal"]["nodes"][1].__setitem__(0, ["sep_conv_9x9", 0]), "nodes[1][0]"),
        (lambda d: d["cells"]["normal"]["nodes"][0].__setitem__(1, ["sep_conv_3x3", 2]), "out of range"),
        (lambda d: d["cells"].pop("reduction"), "reduction"),
    ],
)
def test_genotype_files(
    change: object, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = load_zoo("darts_v2").to_dict()
    change(document)
    (tmp_path / "g.json").write_text(json.dumps(document))
    words = ["train", tmp_path / "g.json", *DIGITS, f"--run={tmp_path / 'run'}"]
    assert expected in refused(capsys, *words)


@pytest.mark.slow
def test_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["search", *DIGITS, *SMALL, f"--run={run}"]) == 0
    capsys.readouterr()
    (run / "summary.json").unlink()
    whole = (run / "checkpoints/last.pt").read_bytes()
    events = (run / "events.jsonl").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PK not a checkpoint"):
        (run / "checkpoints/last.pt").write_bytes(damaged)
        assert "last.pt" in refused(capsys, "search", f"--resume={run}", "--quiet")
        assert (run / "events.jsonl").read_bytes() == events


@pytest.mark.slow
def test_a_run_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["search", *DIGITS, *SMALL, f"--run={run}"]) == 0
    capsys.readouterr()
    before = (run / "genotype.json").read_bytes()
    assert "--overwrite" in refused(capsys, "search", *DIGITS, *SMALL, "--seed=1", f"--run={run}")
    assert (run / "genotype.json").read_bytes() == before
    assert "finished" in refused(capsys, "search", f"--resume={run}")
    assert main(["search", *DIGITS, *SMALL, "--seed=1", f"--run={run}", "--overwrite"]) == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    capsys.readouterr()
    message = refused(capsys, "search", *DIGITS, *SMALL, f"--run={tmp_path / 'mine'}", "--overwrite")
    assert "not empty, and not a run" in message
    assert (tmp_path / "mine/thesis.tex").exists()


@pytest.mark.slow
def test_loss_that_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    rates = iter([0.01, 0.01, 0.01, 1e30, 1e30])
    monkeypatch.setattr(_iterations, "learning_rate", lambda *_: next(rates))
    words = ["--strategy=das", *DIGITS, *SMALL, "--epochs=3", "--optim.clip=0", "--checkpoint_every=1"]
    words.append("--check_memory=false")  # the estimate would rehearse an iteration, and take a rate
    message = refused(capsys, "search", *words, f"--run={run}")
    assert "at iteration 5" in message
    state = load_checkpoint(run / "checkpoints/last.pt", "search")
    assert state["run"]["iteration"] == 4


@pytest.mark.slow
def test_full_disk_keeps_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    run, calls = tmp_path / "run", [0]
    flush = os.fsync

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    words = ["search", *DIGITS, *SMALL, "--epochs=5", "--checkpoint_every=1", f"--run={run}"]
    assert "No space left" in refused(capsys, *words)
    monkeypatch.undo()
    assert (run / "checkpoints/last.pt").exists()
    assert not list(run.rglob("*.tmp"))
    assert main(["search", f"--resume={run}", "--quiet"]) == 0
    assert (run / "genotype.json").exists()


LONG = "x" * 5000


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["data", "check", f"{kind}{LONG}"]
            for kind in ("", "imagefolder:", "parquet:", "cifar10:", "ucf101:")
        ),
        *(
            ["data", "check", f"{kind}:{LONG}"]
            for kind in ("hmdb51", "kinetics400", "imagelist", "videolist")
        ),
        ["search", "--data=digits", f"--run={LONG}"],
        ["search", "--data=digits", f"--config={LONG}"],
        ["train", LONG, "--data=digits"],
        ["train", "darts_v2", "--data=digits", f"--run={LONG}"],
        ["evaluate", LONG, "--data=digits"],
        ["predict", LONG, "x.png"],
        ["compare", "--methods=random", "--data=digits", f"--run={LONG}"],
        *([command, LONG] for command in ("report", "watch", "draw", "profile")),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)
def test_names_longer_than_the_system_allows(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "autodas: error: " in capsys.readouterr().err


def test_threads_that_no_machine_has(capsys: pytest.CaptureFixture[str]) -> None:
    found = refused(capsys, "search", *DIGITS, *SMALL, "--compute.threads=1025")
    assert "--compute.threads: 1025 is too large, at most 1,024 is possible" in found


@pytest.mark.parametrize(
    ("method", "own"), [("pdarts", "pdarts-cifar10-search"), ("hdas", "hdas-cifar10-cells")]
)
def test_a_preset_of_another_method_is_told(
    method: str, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-DARTS with the cells and epochs of another paper searches other networks than its own."""
    words = ["--preset=cifar10-search", f"--strategy={method}", "--data=imagefolder:missing"]
    assert main(["search", *words]) == 2
    assert f"note: {method} has presets of its own ({own}" in capsys.readouterr().err
    assert main(["search", f"--preset={own}", "--data=imagefolder:missing"]) == 2
    assert "presets of its own" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["CUDA error: out of memory\nSearch for it", "DefaultCPUAllocator: can't allocate memory"]
)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_memory_runs_out_in_any_command(
    command: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: list[str]) -> int:
        raise RuntimeError(words)

    monkeypatch.setattr(f"autodas.cli.{command}.run", run)
    assert refused(capsys, command) == "autodas: error: memory has run out"


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cuda:99", "is not available; here: cpu"), ("mps", "is not supported")],
)
def test_devices_that_cannot_be_used(device: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "search", *DIGITS, *SMALL, "--strategy=das", f"--compute.device={device}")
    assert f"device '{device}' {expected}" in line
