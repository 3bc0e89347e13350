"""All commands on small real videos, from the search to predictions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.data.videos import moving_square, write_classes, write_video
from tests.search.test_exact_resume import assert_same_run, steady_events

from autodas.cli.main import main
from autodas.search._phase import PhaseRun
from autodas.training.fit import Fit

pytestmark = pytest.mark.slow

LOOK = ["--data.frames=4", "--data.image_size=16"]
SPACE = ["--space.name=video-oadv", "--space.C1=4", "--space.C2=8", "--batch_size=4", "--tensorboard=false"]
SPACE += ["--space.operations=skip_connect,max_pool_3x3x3,sep3d_conv_3x3x3,channel_scale"]
SPACE += ["--check_memory=false"]
SKELETON = ["--skeleton.name=video", "--skeleton.C1=4", "--skeleton.C2=8", "--batch_size=4"]
SKELETON += ["--tensorboard=false", "--test_clips=3"]


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line that a user is told, but for notes on the data."""
    capsys.readouterr()
    assert main(list(words)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("videos") / "set", train=4, test=3, frames=10)


@pytest.fixture(scope="module")
def data(videos: Path) -> list[str]:
    return [f"--data=videofolder:{videos}", f"--data.cache={videos.parent / 'cache'}", *LOOK]


@pytest.fixture(scope="module")
def found(videos: Path, data: list[str]) -> Path:
    """The run of a search."""
    torch.set_num_threads(1)
    folder = videos.parent / "found"
    words = ["search", *data, *SPACE, "--space.K=1", "--epochs=1", f"--run={folder}", "--quiet"]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def net(videos: Path, data: list[str], found: Path) -> Path:
    folder = videos.parent / "net"
    words = ["train", str(found), *data, *SKELETON, "--skeleton.K=1", "--epochs=1", f"--run={folder}"]
    assert main([*words, "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module", params=["tvl1, stored", "dis, stored", "dis, streamed"])
def flow_net(videos: Path, data: list[str], found: Path, net: Path, request: pytest.FixtureRequest) -> Path:
    """Begins with the weights of the other one."""
    folder = videos.parent / f"flow {request.param}"
    method, _, storage = request.param.partition(", ")
    data = [*data, f"--data.flow={method}", *(["--data.storage=stream"] if storage == "streamed" else [])]
    words = ["train", str(found), *data, *SKELETON, "--skeleton.K=1", "--epochs=1", f"--run={folder}"]
    assert main([*words, "--quiet", "--data.modality=flow", f"--weights={net}"]) == 0
    return folder


def test_search(found: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((found / "summary.json").read_text())
    assert summary["command"] == "search"
    pictures = json.loads(printed(capsys, "draw", str(found), "-o", str(found / "cell.svg"), "--json"))
    assert [Path(p).name for p in pictures] == [
        f"cell-{kind}.svg" for kind in ("normal", "s_reduction", "st_reduction")
    ]
    assert all(Path(p).read_text().lstrip().startswith(("<?xml", "<svg")) for p in pictures)


def test_train_and_evaluate(net: Path, data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((net / "summary.json").read_text())["test"]
    assert (summary["count"], summary["clips"]) == (6, 18)
    assert summary["video_top1"] == summary["top1"]
    # What the network was trained on stands in its file: frames and size need not be given.
    found = json.loads(printed(capsys, "evaluate", str(net), data[0], "--test_clips=3", "--json"))
    for name in ("top1", "video_top1", "clip_top1", "count", "clips"):
        assert found[name] == summary[name]
    assert found["loss"] == pytest.approx(summary["loss"], rel=1e-5)
    in_parts = printed(
        capsys,
        "evaluate",
        str(net),
        data[0],
        "--test_clips=3",
        "--batch_size=2",
        "--data.workers=1",
        "--json",
    )
    assert json.loads(in_parts)["loss"] == pytest.approx(found["loss"], rel=1e-5)
    # Longer clips than it was trained on.
    longer = printed(capsys, "evaluate", str(net), data[0], "--test_clips=2", "--data.frames=8", "--json")
    assert json.loads(longer)["clips"] == 12
    assert refusal(capsys, "evaluate", str(net), data[0], "--test_clips=0").endswith(
        "test_clips=0 must be at least 1"
    )


def test_fuse(net: Path, flow_net: Path, data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    start = json.loads((flow_net / "events.jsonl").read_text().splitlines()[0])
    assert start["notes"][-2:] == [
        f"weights of {net}",
        "no auxiliary head: its map would be under 5x5 at 16 pixels",
    ]
    words = ["evaluate", *data[:2], "--test_clips=3", "--json"]
    alone = [json.loads(printed(capsys, *words, str(folder))) for folder in (net, flow_net)]
    both = json.loads(printed(capsys, *words, str(net), f"--fuse={flow_net}"))
    assert (both["count"], both["clips"], both["fused_with"]) == (6, 36, str(flow_net))
    for folder, one in zip((net, flow_net), alone, strict=True):
        assert both["alone"][str(folder)] == {k: one[k] for k in both["alone"][str(folder)]}
    # The mean of two probabilities is never worse than the worse of both.
    assert both["loss"] <= max(one["loss"] for one in alone)
    assert both["loss"] not in [one["loss"] for one in alone]
    assert "clip_top1" not in both


def test_predictions_from_flow(flow_net: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as those of the test, by the method that the network was trained on."""
    import pyarrow.parquet as pq

    rows = json.loads(
        printed(capsys, "predict", str(flow_net), str(videos / "test"), "--test_clips=3", "--json")
    )
    table = pq.read_table(flow_net / "predictions.parquet").to_pydict()
    assert [row["file"] for row in rows] == table["path"]
    for row, probabilities in zip(rows, table["probabilities"], strict=True):
        by_class = {entry["class"]: entry["probability"] for entry in row["top"]}
        assert [by_class["down"], by_class["right"]] == pytest.approx(probabilities, abs=1e-5)


def test_predict(net: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        folder = tmp_path / f"frames/video{i}"
        folder.mkdir(parents=True)
        for number, frame in enumerate(moving_square(7, i, 3)):
            Image.fromarray(frame).save(folder / f"{number}.png")
    good, folder = str(videos / "test/right/0.mp4"), str(videos / "test/down")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = ["predict", str(net), good, folder, str(broken), str(tmp_path / "frames/video0")]
    assert main([*words, "--test_clips=3", "--json"]) == 2
    output = capsys.readouterr()
    rows = json.loads(output.out)
    names = [good, *(f"{folder}/{i}.mp4" for i in range(3)), str(tmp_path / "frames/video0")]
    assert [row["file"] for row in rows] == names
    for row in rows:
        assert sum(entry["probability"] for entry in row["top"]) == pytest.approx(1, abs=1e-5)
        assert {entry["class"] for entry in row["top"]} == {"down", "right"}
    assert f"skipped: {broken}: cannot be read as a video (not a video file" in output.err
    # The same scores as those of the evaluation.
    import pyarrow.parquet as pq

    table = pq.read_table(net / "predictions.parquet").to_pydict()
    by_class = {entry["class"]: entry["probability"] for entry in rows[1]["top"]}
    assert [by_class["down"], by_class["right"]] == pytest.approx(table["probabilities"][0], abs=1e-4)
    # A folder of folders of frames; as CSV.
    text = printed(capsys, "predict", str(net), str(tmp_path / "frames"), "--top=1", "--csv")
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in found] == [str(tmp_path / f"frames/video{i}") for i in range(2)]
    assert found[0]["class"] == rows[-1]["top"][0]["class"]
    assert "holds no videos" in refusal(capsys, "predict", str(net), str(net / "checkpoints"))
    assert main(["predict", str(net), str(broken)]) == 2
    assert "none of the files could be read" in capsys.readouterr().err


def test_bad_files_are_told(
    net: Path, data: list[str], videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    shutil.copytree(videos, root)
    (root / "test/down/1.mp4").write_bytes(b"")
    words = ["evaluate", str(net), f"--data=videofolder:{root}", "--test_clips=1", "--json"]
    assert main(words) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["count"] == 5
    told = f"1 videos cannot be read and are skipped: {root / 'test/down/1.mp4'}: not a video file"
    assert f"note: {told}" in output.err


def test_images_and_videos_mixed_up(
    net: Path,
    data: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(capsys, "evaluate", str(net), "--data=digits") == (
        f"autodas: error: digits holds images, but the network of {net} is for videos: choose a "
        "data set of videos with --data"
    )
    fitting = "choose one for videos with --space.name (video-o2d_video, video-o3d, video-oadv)"
    for words in (["--data=moving-digits"], data, ["--data=moving-digits", "--dry_run"]):
        line = refusal(capsys, "search", *words)
        assert "holds videos, but space 'cifar-o2d' is for images: " in line
        assert line.endswith(fitting)
    line = refusal(capsys, "search", "--data=digits", "--space.name=video-o3d")
    assert "digits holds images, but space 'video-o3d' is for videos: choose one for images" in line
    assert "--space.name (cifar-o2d, " in line
    line = refusal(capsys, "train", "darts_v2", *data)
    assert "skeleton 'cifar' is for images: choose one for videos with --skeleton.name (video)" in line
    assert "frames is for videos, but 'digits'" in refusal(
        capsys, "train", "darts_v2", "--data=digits", "--data.frames=4"
    )
    line = refusal(capsys, "train", str(net), *data, "--data.cutout=4", "--quiet")
    assert "cutout is for images" in line
    assert list(tmp_path.iterdir()) == []


def test_facts(videos: Path, data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "data", "check", f"videofolder:{videos}", "--json"))
    assert found["classes"] == ["down", "right"]
    assert found["train"]["videos_per_class"] == {"down": 4, "right": 4}
    assert (found["test"]["frames"], found["test"]["looped"]) == (66, 6)
    facts = json.loads(printed(capsys, "search", "--dry_run", "--json", *data, *SPACE, "--space.K=0"))
    assert facts["videos"] == {"train": 8, "test": 6}
    assert (facts["frames"], facts["image_size"]) == (4, 16)
    longer = [*data, "--data.frames=16", *SPACE, "--space.K=0"]
    more = json.loads(printed(capsys, "search", "--dry_run", "--json", *longer))
    assert more["memory_bytes"] > facts["memory_bytes"]
    assert facts["memory"].endswith("beyond Python, torch and the videos, in the first iterations")


class TestKilledAndResumed:
    @pytest.mark.parametrize("storage", ["auto", "compressed"])
    def test_search(
        self,
        data: list[str],
        storage: str,
        tmp_path: Path,
        killed_after: Callable[..., None],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        words = [*data, *SPACE, "--space.K=0", "--epochs=3", "--strategy=sdas-c", "--compute.threads=1"]
        words += ["--strategy.learning_rate=0.05", "--checkpoint_every=2", "--quiet"]
        words += [f"--data.storage={storage}"]
        assert main(["search", *words, f"--run={tmp_path / 'whole'}"]) == 0
        words.append("--data.workers=2")
        killed_after(PhaseRun, "step", 2, "search", *words, f"--run={tmp_path / 'killed'}")
        assert not (tmp_path / "killed/genotype.json").exists()
        words += [f"--run={tmp_path / 'killed'}", "--resume=auto"]
        line = refusal(capsys, "search", *words, "--data.storage=stream")
        assert f"data.storage: {storage} there, data.storage: stream here" in line
        assert main(["search", *words]) == 0
        assert_same_run(tmp_path / "whole", tmp_path / "killed")

    def test_train(
        self, found: Path, data: list[str], tmp_path: Path, killed_after: Callable[..., None]
    ) -> None:
        words = ["train", str(found), *data, *SKELETON, "--skeleton.K=0", "--epochs=3", "--drop_path=0.2"]
        words += ["--compute.threads=1", "--test_every=1", "--quiet"]
        assert main([*words, f"--run={tmp_path / 'whole'}"]) == 0
        words += ["--data.workers=2", f"--run={tmp_path / 'killed'}"]
        killed_after(Fit, "step", 3, *words)
        assert (tmp_path / "killed/checkpoints/last.pt").exists()
        assert not (tmp_path / "killed/model.safetensors").exists()
        assert main([*words, "--resume=auto"]) == 0
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        expected, resumed = (load_file(folder / "model.safetensors") for folder in (whole, killed))
        assert len(expected) > 20
        assert all(torch.equal(tensor, resumed[name]) for name, tensor in expected.items())
        assert steady_events(whole) == steady_events(killed)
        for name in ("metrics.csv", "predictions.parquet", "summary.json"):
            assert (whole / name).read_bytes() == (killed / name).read_bytes()


def test_videos_that_are_shorter_than_a_clip(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        for label, name in enumerate(("right", "down")):
            write_video(tmp_path / split / name / "1.mp4", moving_square(2, label, 0))
    words = ["evaluate", str(net), f"--data=videofolder:{tmp_path}", "--test_clips=2", "--json"]
    found = json.loads(printed(capsys, *words))
    assert (found["count"], found["clips"]) == (2, 4)
