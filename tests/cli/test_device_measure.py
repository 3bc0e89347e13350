"""``autodas device sample`` and ``measure``, and ``profile --measure``: real but tiny networks."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autodas.cli.main import main
from autodas.costs import CostTable, NetworkSetting
from autodas.devices import _turns, measure_folder
from autodas.genotype import Genotype
from autodas.spaces import get_space

SIZES = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--image_size=8", "--classes=3"]
SMALL = [*SIZES, "--space.operations=skip_connect,max_pool_3x3", "--networks=3", "--quiet"]


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "WARM_UP", 0.0)
    monkeypatch.setattr(_turns, "TIMED", 0.004)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three networks with ONNX files."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("device") / "nets"
    assert main(["device", "sample", *SMALL, "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def nets(sampled: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(sampled, tmp_path / "nets"))


@pytest.fixture
def genotypes(tmp_path: Path) -> Path:
    """Nine networks without exported files."""
    folder = tmp_path / "genotypes"
    words = [*SIZES, "--networks=9", "--forms=", "--quiet", f"--output={folder}"]
    assert main(["device", "sample", *words]) == 0
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "measurements.csv", newline="") as file:
        return list(csv.DictReader(file))


def turns(folder: Path) -> list[dict[str, Any]]:
    path = folder / "turns.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def function(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str) -> str:
    """Write a measuring function of the user, in a module of its own, and return its name."""
    (folder / f"{name}.py").write_text(
        f"calls = []\ndef measure(path):\n    calls.append(path)\n    {body}\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return f"python:{name}:measure"


def test_a_sample_has_all_that_is_promised(sampled: Path) -> None:
    from autodas.export import open_model

    assert sorted(path.name for path in sampled.iterdir()) == [
        *("0001.json", "0001.onnx", "0002.json", "0002.onnx", "0003.json", "0003.onnx"),
        *("measurements.csv", "network.json"),
    ]
    document = json.loads((sampled / "network.json").read_text())
    setting = NetworkSetting.from_dict(document["network"], "network")
    assert setting == NetworkSetting(get_space("cifar-o2d").skeleton.with_size(0, 4, 8), 3, 8, 3)
    assert (document["schema"], document["space"]) == (1, "cifar-o2d")
    assert document["operations"] == ["skip_connect", "max_pool_3x3"]
    for number, row in enumerate(rows(sampled), start=1):
        assert (row["file"], row["genotype"]) == (f"{number:04}.onnx", f"{number:04}.json")
        assert row["latency_ms"] == ""
        network, facts = open_model(sampled / row["file"])
        assert facts.blueprint.genotype == Genotype.load(sampled / row["genotype"])
        assert int(row["parameters"]) == sum(p.numel() for p in facts.build().parameters())
        assert int(row["multiply_adds"]) == facts.profile().multiply_adds
        assert torch.isfinite(network(torch.rand(2, 3, 8, 8))).all()
    assert len({row["multiply_adds"] for row in rows(sampled)}) > 1


def test_an_interrupted_sample_goes_on(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = (nets / "0001.onnx").stat().st_mtime_ns
    content = (nets / "0002.onnx").read_bytes()
    (nets / "0002.onnx").unlink()
    text = (nets / "measurements.csv").read_text()
    table = text.splitlines()
    (nets / "measurements.csv").write_text("\n".join([table[0], f"{table[1]}12.5", table[2]]) + "\n")
    assert main(["device", "sample", *SMALL, "-o", str(nets)]) == 0
    assert (nets / "0001.onnx").stat().st_mtime_ns == kept
    assert (nets / "0002.onnx").read_bytes() == content
    assert [row["latency_ms"] for row in rows(nets)] == ["12.5", "", ""]
    other = [word for word in SMALL if not word.startswith("--classes")]
    assert "holds other networks (network.json: network" in refusal(
        capsys, "device", "sample", *other, "-o", str(nets)
    )
    usual = [word for word in SMALL if not word.startswith("--space.operations")]
    message = refusal(capsys, "device", "sample", *usual, "-o", str(nets))
    assert "operations is ['skip_connect', 'max_pool_3x3'], not None" in message
    more = [*SMALL, "--seed=1", "-o", str(nets)]
    assert "'seed': 0}, not" in refusal(capsys, "device", "sample", *more)


def test_forms_can_be_added(nets: Path) -> None:
    from autodas.export import open_model

    before = (nets / "0001.onnx").stat().st_mtime_ns
    assert main(["device", "sample", *SMALL, "--forms=onnx,torch", "-o", str(nets)]) == 0
    assert (nets / "0001.onnx").stat().st_mtime_ns == before
    x = torch.rand(2, 3, 8, 8)
    for row in rows(nets):
        onnx, program = (open_model(nets / row["file"].replace(".onnx", end))[0] for end in (".onnx", ".pt2"))
        with torch.no_grad():
            assert torch.allclose(onnx(x), program(x), atol=1e-4)


def test_ctrl_c_keeps_what_is_sampled(tmp_path: Path, command: Any) -> None:
    folder = tmp_path / "nets"
    words = ["device", "sample", *SIZES, "--networks=40", "--forms=", "--quiet", "-o", str(folder)]
    process = command(tmp_path, *words)
    end = time.monotonic() + 60
    while not (folder / "0003.json").exists() and time.monotonic() < end:
        assert process.poll() is None, process.printed
        time.sleep(0.02)
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert "of 40 networks; the same command goes on" in process.printed[1]
    made = [row["genotype"] for row in rows(folder)]
    assert 2 <= len(made) < 40
    kept = {name: (folder / name).read_bytes() for name in made}
    assert main(words) == 0
    assert [row["genotype"] for row in rows(folder)] == [f"{n:04}.json" for n in range(1, 41)]
    assert kept == {name: (folder / name).read_bytes() for name in made}
    assert len({str(Genotype.load(folder / row["genotype"]).cells) for row in rows(folder)}) == 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--networks=0"], "networks=0 must be at least 1"),
        (["--space=cifar-o3d"], "unknown space 'cifar-o3d'"),
        (["--preset=cifar10-evil"], "cifar10-eval"),
        (["--space=video-oadv", "--preset=cifar10-eval"], "reduction"),
        (["--frames=3"], "images have none"),
        (["--forms=tflite"], "--forms: expected a list of onnx, torch, found 'tflite'"),
        (["--image_size=0"], "image_size=0 must be at least 1"),
    ],
)
def test_samples_that_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    folder = tmp_path / "nets"
    assert message in refusal(capsys, "device", "sample", *words, "-o", str(folder))
    assert not folder.exists()


def test_a_sample_needs_a_folder_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "holds other files" in refusal(capsys, "device", "sample", *SMALL, "-o", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_network_is_that_of_the_preset(tmp_path: Path) -> None:
    folder = tmp_path / "nets"
    words = ["--space=video-oadv", "--preset=kinetics10-eval", "--skeleton.C2=16", "--frames=8", "--forms="]
    assert main(["device", "sample", *words, "-n", "2", "-o", str(folder), "--quiet"]) == 0
    network = json.loads((folder / "network.json").read_text())["network"]
    assert network["skeleton"] == {"name": "video", "K": 2, "C1": 32, "C2": 16, "pool_norm": "none"}
    assert (network["frames"], network["image_size"], network["channels"]) == (8, 112, 3)
    assert [row["file"] for row in rows(folder)] == ["0001.json", "0002.json"]


def test_measuring(genotypes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["device", "measure", str(genotypes), "--seconds=0.03", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["networks"], report["measured"], report["complete"]) == (9, 9, True)
    names, taken = [row["genotype"] for row in rows(genotypes)], turns(genotypes)
    own = {name: [turn for turn in taken if turn["genotype"] == name] for name in names}
    for row in rows(genotypes):
        low, middle, high = (float(row[f"latency_{name}ms"]) for name in ("low_", "", "high_"))
        assert 0 < low <= middle <= high
        assert int(row["latency_passes"]) == sum(t["passes"] for t in own[row["genotype"]])
    # A round has every network once; the first eight are measured again at the end.
    assert sorted(turn["genotype"] for turn in taken if turn["round"] == 0) == names
    last = taken[-1]["round"]
    for number in (last - 2, last - 1, last):
        assert sorted(turn["genotype"] for turn in taken if turn["round"] == number) == names[:8]
    document = json.loads((genotypes / "measure.json").read_text())
    device = document["device"]
    assert (device["runtime"], device["threads"], device["batch"], device["device"]) == ("torch", 1, 1, "cpu")

    # A second time there is nothing to do, a longer time goes on.
    before = turns(genotypes)
    assert main(["device", "measure", str(genotypes), "--seconds=0.03", "--quiet"]) == 0
    assert turns(genotypes) == before

    # Other settings are refused, or replace everything.
    words = ["device", "measure", str(genotypes), "--batch=2", "--seconds=0.01", "--quiet"]
    message = refusal(capsys, *words)
    assert "was measured otherwise (batch 1, not 2)" in message
    assert message.endswith("--overwrite")
    assert turns(genotypes) == before
    assert main([*words, "--overwrite"]) == 0
    assert json.loads((genotypes / "measure.json").read_text())["device"]["batch"] == 2
    assert turns(genotypes)[0]["round"] == 0


def test_own_columns_are_kept(nets: Path) -> None:
    lines = (nets / "measurements.csv").read_text().splitlines()
    lines = [f"{lines[0]},energy_mj", *(f"{line},7.5" for line in lines[1:])]
    (nets / "measurements.csv").write_text("\n".join(lines) + "\n")
    for _ in range(2):
        words = ["device", "measure", str(nets), "--seconds=0.01", "--runtime=onnxruntime", "--overwrite"]
        assert main([*words, "--quiet"]) == 0
        assert [row["energy_mj"] for row in rows(nets)] == ["7.5"] * 3
        assert all(float(row["latency_ms"]) > 0 for row in rows(nets))


def test_limits_of_time_and_cut_lines(genotypes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["device", "measure", str(genotypes), "--seconds=0.03", "--quiet"]
    assert main([*words, "--minutes=0.0001"]) == 0
    assert "time is up before all networks are measured" in capsys.readouterr().err
    assert main([*words, "--minutes=0.01"]) == 0
    (genotypes / "turns.jsonl").open("a").write('{"genotype": "0001.json", "milli')
    assert main(words) == 0
    assert all(turn["milliseconds"] > 0 for turn in turns(genotypes))
    assert all(row["latency_ms"] for row in rows(genotypes))
    (genotypes / "turns.jsonl").write_text('{"genotype": "0001.json"}\n')
    assert "turns.jsonl: line 1: 'round' is missing" in refusal(capsys, *words)


def test_ctrl_c_keeps_what_is_measured(
    genotypes: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["device", "measure", str(genotypes), "--seconds=600", "--quiet"]
    process = command(genotypes.parent, *words)
    end = time.monotonic() + 60
    while len(turns(genotypes)) < 30 and time.monotonic() < end:
        assert process.poll() is None, process.printed
        time.sleep(0.05)
    assert "is running there" in refusal(capsys, *words)
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert "9 of 9 networks are measured; the same command goes on" in process.printed[1]
    assert all(float(row["latency_ms"]) > 0 for row in rows(genotypes))
    assert not (genotypes / "running.json").exists()
    before = turns(genotypes)
    assert main([*words[:3], "--seconds=0.1", "--quiet"]) == 0
    assert turns(genotypes)[: len(before)] == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_measured_once(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["device", "measure", str(nets), "--seconds=0.01", "--memory", "--quiet"]
    assert main(words) == 0
    peaks = [float(row["peak_mib"]) for row in rows(nets)]
    assert all(0 < peak < 500 for peak in peaks)
    monkeypatch.setattr("autodas.devices._measure_folder.peak_memory", None)
    assert main(words) == 0
    assert [float(row["peak_mib"]) for row in rows(nets)] == peaks


def test_a_function_of_the_user(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    body = "import numpy; return {'latency_ms': numpy.float32(len(calls)), 'energy_mj': 3}"
    name = function(nets.parent, monkeypatch, body, "board_good")
    words = ["device", "measure", str(nets), f"--measure={name}", "--quiet"]
    assert main(words) == 0
    assert [(row["latency_ms"], row["energy_mj"]) for row in rows(nets)] == [
        ("1", "3"),
        ("2", "3"),
        ("3", "3"),
    ]
    assert json.loads((nets / "measure.json").read_text())["device"] == {"function": name}
    calls = sys.modules["board_good"].calls
    assert calls == [str(nets / f"000{n}.onnx") for n in (1, 2, 3)]
    assert main(words) == 0
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("float('nan')", "latency_ms: a finite number of at least 0 is expected, found nan"),
        ("-1.0", "found -1.0"),
        ("'3'", "found '3'"),
        ("True", "found True"),
        ("None", "found None"),
        ("{}", "an empty mapping was returned"),
        ("{'energy': 1.0}", "'energy' is not the name of a metric with its unit"),
        ("{'multiply_adds': 1.0}", "'multiply_adds' is not the name of a metric"),
        ("{'energy_mj': float('inf')}", "energy_mj: a finite number"),
        ("1 / 0", "ZeroDivisionError in "),
    ],
)
def test_failures_are_skipped_and_named(
    nets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, reason: str
) -> None:
    body = f"return {value} if '0002' in path else 4.0"
    name = function(nets.parent, monkeypatch, body, f"board_{abs(hash(value))}")
    words = ["device", "measure", str(nets), f"--measure={name}", "--quiet"]
    assert main([*words, "--max_failures=1"]) == 0
    printed = capsys.readouterr()
    assert "0002.onnx: not measured: " in printed.err
    assert reason in printed.err
    assert "2 of 3 networks are measured" in printed.out
    assert [row["latency_ms"] for row in rows(nets)] == ["4", "", "4"]
    # A tenth of three is none.
    message = refusal(capsys, *words)
    assert "failed for 1 networks, more than --max_failures allows" in message
    assert "0002.onnx" in message
    assert [row["latency_ms"] for row in rows(nets)] == ["4", "", "4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--measure=python:no_such_board:measure"], "module 'no_such_board' cannot be imported"),
        (["--measure=python:json:dumpz"], "did you mean 'dump'"),
        (["--measure=python:json:dumps", "--threads=2"], "--threads is for this machine, not for --measure"),
        (["--measure=python:json:dumps", "--memory"], "--memory is for this machine"),
        (["--max_failures=2"], "--max_failures is for --measure"),
        (["--seconds=0"], "seconds=0.0 must be a number above 0"),
        (
            ["--runtime=torch-compile", "--memory"],
            "--memory of compiled networks would be that of the compiler",
        ),
        (["--runtime=onnxruntime", "--device=cuda"], "ONNX Runtime is measured on the CPU"),
    ],
)
def test_measurements_that_are_refused(
    nets: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = {path.name: path.read_bytes() for path in nets.iterdir()}
    assert message in refusal(capsys, "device", "measure", str(nets), *words)
    assert {path.name: path.read_bytes() for path in nets.iterdir()} == before


def test_folders_that_are_refused(
    genotypes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["device", "measure", "--quiet"]
    nowhere = tmp_path / "nowhere"
    assert "network.json: does not exist; 'autodas device sample'" in refusal(capsys, *words, str(nowhere))
    assert not nowhere.exists()
    name = function(tmp_path, monkeypatch, "return 1.0", "board_none")
    assert "is no ONNX file" in refusal(capsys, *words, str(genotypes), f"--measure={name}")
    assert "is no ONNX file" in refusal(capsys, *words, str(genotypes), "--runtime=onnxruntime")

    # Results are not lost to a command that cannot replace them.
    measure_folder_briefly = [*words, str(genotypes), "--seconds=0.01"]
    assert main(measure_folder_briefly) == 0
    before = (genotypes / "measurements.csv").read_bytes(), (genotypes / "turns.jsonl").read_bytes()
    refusal(capsys, *words, str(genotypes), "--runtime=onnxruntime", "--overwrite")
    assert ((genotypes / "measurements.csv").read_bytes(), (genotypes / "turns.jsonl").read_bytes()) == before

    (genotypes / "measure.json").unlink()
    assert "has measurements, but no measure.json" in refusal(capsys, *measure_folder_briefly)
    table = genotypes / "measurements.csv"
    lines = table.read_text().splitlines()
    for damaged, message in (
        ([*lines, lines[-1]], "'0009.json' is repeated"),
        ([*lines, "0010.json"], "line 11: as many values as columns"),
        ([lines[0].replace("genotype", "type"), *lines[1:]], "column 'genotype' is missing"),
        (lines[:1], "has no networks"),
    ):
        table.write_text("\n".join(damaged) + "\n")
        assert message in refusal(capsys, *measure_folder_briefly)


def test_the_library_measures_as_the_command_does(nets: Path) -> None:
    from autodas.devices import MeasureSettings

    report = measure_folder(nets, MeasureSettings(), seconds=0.01, quiet=True)
    assert (report.measured, report.complete, report.networks) == (3, True, 3)


def test_profile_measures_and_predicts(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = get_space("cifar-o2d").with_operations(["skip_connect", "max_pool_3x3"])
    setting = NetworkSetting(space.skeleton.with_size(0, 4, 8), 3, 8, 3)
    generator = np.random.default_rng(0)
    rates = generator.uniform(1, 2, (len(space.cell.edges), 2))
    table = CostTable("latency_ms", space.cell, {"reduction": rates.tolist()}, 5.0, setting)
    path = nets.parent / "table.json"
    table.save(path)
    sizes = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--image_size=8", "--classes=3"]
    words = ["profile", str(nets / "0001.json"), *sizes, "--json"]
    capsys.readouterr()
    assert main(words) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*words, f"--table={path}", "--measure", "--seconds=0.01", "--batch=2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    predicted, measured = facts.pop("predicted"), facts.pop("measured")
    assert facts == plain
    genotype = Genotype.load(nets / "0001.json")
    by_hand = 5.0 + sum(
        rates[space.cell.edges.index((edge.predecessor, state)), space.cell.operations.index(edge.operation)]
        for state, edge in genotype.cells["reduction"].edges()
    )
    assert predicted == {"latency_ms": pytest.approx(by_hand)}
    low, high = measured["interval"]
    assert 0 < low <= measured["latency_ms"] <= high
    assert measured["device"]["batch"] == 2
    larger = [*words[:2], *sizes[:3], "--image_size=9", f"--table={path}"]
    assert "was measured for another network: image_size is 9, not 8" in refusal(capsys, *larger)
    assert "settings of a measurement are for --measure" in refusal(capsys, *words, "--batch=2")


def test_profile_measures_handcrafted_networks(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["profile", "resnet50-2d", "--width=0.05", "--frames=2", "--image_size=16", "--json"]
    assert main([*words, "--measure", "--seconds=0.01"]) == 0
    assert json.loads(capsys.readouterr().out)["measured"]["latency_ms"] > 0
    assert "tables of costs are for cells" in refusal(capsys, *words, "--table=table.json")
