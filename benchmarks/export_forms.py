"""Exported forms of networks of five kinds: difference from the network, accuracy, size, time.

usage: python benchmarks/export_forms.py --cifar10 FOLDER --run FOLDER --output FILE

The networks are trained briefly, in run folders below FOLDER; what is finished there is not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from finished_runs import finished_run, machine

CLIPS = "docs/genotypes/oadv_example.json"
SMALL = ["--skeleton.K=1", "--skeleton.C1=16", "--skeleton.C2=32", "--epochs=4", "--batch_size=64"]


def commands(cifar10: str, folder: Path) -> dict[str, tuple[list[str], str]]:
    """Return the training of each network, and its data."""
    cifar, clips = f"cifar10:{cifar10}", "moving-digits"
    few = [f"--data={cifar}", "--data.subset=5000"]
    return {
        "DARTS_V2": (["train", "darts_v2", *few, *SMALL], cifar),
        "searched on digits": (["train", str(folder / "search")], "digits"),
        "H-DAS": (["train", "hdas_cifar_darts_v1", *few, *SMALL], cifar),
        "clips (o-ADV)": (["train", CLIPS, f"--data={clips}", "--preset=quickstart-video"], clips),
        "ResNet50-3D": (["train", "resnet50-3d", f"--data={clips}", "--epochs=4", "--batch_size=16"], clips),
    }


def exported(run: Path, data: str, *options: str) -> list[dict[str, Any]]:
    """Export a network and return the rows that the command prints."""
    words = ["export", str(run), f"--data={data}", "--threads=1", "--overwrite", "--json", *options]
    command = [sys.executable, "-m", "autodas", *words]
    rows: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return rows


def measure(run: Path, data: str) -> list[dict[str, Any]]:
    """Return a row for the network and one for each form."""
    files = run / "exported"
    files.mkdir(exist_ok=True)
    network, onnx = exported(run, data, "--to=onnx", f"--output={files / 'net.onnx'}")
    program = exported(run, data, "--to=torch", f"--output={files / 'net.pt2'}")[1]
    integers = exported(run, data, "--to=onnx", "--int8", f"--output={files / 'int8.onnx'}")[1]
    return [network, onnx, program, integers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    finished_run(["search", "--data=digits", "--preset=quickstart"], options.run / "search")
    networks, facts = {}, {}
    for name, (words, data) in commands(options.cifar10, options.run).items():
        folder = options.run / name.split()[0].lower()
        run = finished_run(words, folder)
        networks[name], facts = measure(folder, data), machine(run)
        for row in networks[name]:
            print(name, row)
    options.output.write_text(json.dumps({"machine": facts, "networks": networks}, indent=2) + "\n")


if __name__ == "__main__":
    main()
