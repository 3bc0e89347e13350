"""Exported forms of networks of five kinds: difference from the network, accuracy, size, time.

usage: python benchmarks/export_forms.py --cifar10 FOLDER --run FOLDER --output FILE

The networks are trained briefly, in run folders below FOLDER. What is finished there, or stands in FILE, is
not repeated but for the times, which need a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from autodas.export import milliseconds, open_model, sample_inputs
from finished_runs import finished_run, machine

CLIPS = "docs/genotypes/oadv_example.json"
FILES = {"onnx": "net.onnx", "torch": "net.pt2", "onnx, int8": "int8.onnx"}
SMALL = ["--skeleton.K=1", "--skeleton.C1=16", "--skeleton.C2=32", "--epochs=4", "--batch_size=64"]


def commands(cifar10: str, folder: Path) -> dict[str, tuple[list[str], str]]:
    """Return the training of each network, and its data."""
    cifar, clips = f"cifar10:{cifar10}", "moving-digits"
    few = [f"--data={cifar}", "--data.subset=5000"]
    return {
        "DARTS_V2": (["train", "darts_v2", *few, *SMALL], cifar),
        "searched on digits": (["train", str(folder / "search")], "digits"),
        "H-DAS": (["train", "hdas_cifar_darts_v1", *few, *SMALL], cifar),
        "clips (o-ADV)": (["train", CLIPS, f"--data={clips}", "--preset=video-quickstart"], clips),
        "ResNet50-3D": (["train", "resnet50-3d", f"--data={clips}", "--epochs=4", "--batch_size=16"], clips),
    }


def exported(run: Path, data: str, *options: str) -> list[dict[str, Any]]:
    """Export a network and return the rows that the command prints."""
    words = ["export", str(run), f"--data={data}", "--threads=1", "--overwrite", "--json", *options]
    command = [sys.executable, "-m", "autodas", *words]
    rows: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return rows


def measure(run: Path, data: str) -> dict[str, dict[str, Any]]:
    """Return differences, sizes and metrics of a network and of each form of it."""
    files = run / "exported"
    files.mkdir(exist_ok=True)
    network, onnx = exported(run, data, "--to=onnx", f"--output={files / FILES['onnx']}")
    program = exported(run, data, "--to=torch", f"--output={files / FILES['torch']}")[1]
    int8 = f"--output={files / FILES['onnx, int8']}"
    integers = exported(run, data, "--to=onnx", "--int8", int8)[1]
    rows = (network, onnx, program, integers)
    return {row.pop("form"): {k: v for k, v in row.items() if k != "milliseconds"} for row in rows}


def times(run: Path) -> dict[str, float]:
    """Return the milliseconds of each form for a sample on one thread: the least of three medians."""
    torch.set_num_threads(1)
    opened = {"network": open_model(run), **{f: open_model(run / "exported" / n) for f, n in FILES.items()}}
    sample = sample_inputs(opened["network"][1], 1)
    turns = [{form: milliseconds(network, sample) for form, (network, _) in opened.items()} for _ in range(3)]
    return {form: min(turn[form] for turn in turns) for form in opened}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    finished_run(["search", "--data=digits", "--preset=quickstart"], options.run / "search")
    record = json.loads(options.output.read_text()) if options.output.exists() else {}
    networks = record.setdefault("networks", {})
    for name, (words, data) in commands(options.cifar10, options.run).items():
        folder = options.run / name.split()[0].lower()
        record["machine"] = machine(finished_run(words, folder))
        networks[name] = networks.get(name) or measure(folder, data)
        options.output.write_text(json.dumps(record, indent=2) + "\n")
    for name in networks:
        for form, spent in times(options.run / name.split()[0].lower()).items():
            networks[name][form]["milliseconds"] = spent
            print(name, form, networks[name][form])
    options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
