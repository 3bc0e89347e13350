"""The whole chain on this machine: sample, measure, fit, search within a limit, train.

usage: python benchmarks/device_chain.py --data cifar10:PATH --run FOLDER --output FILE [--networks 40]
           [--seeds 2] [--methods das,sdas-a] [--both KEY=VALUE ...] [--search KEY=VALUE ...]
           [--train KEY=VALUE ...]

Networks have 8 cells of 8 channels and run in ONNX Runtime, one image at a time on one thread. The limit is
the 25th percentile of what a table fitted to the sample predicts for random architectures. Random cells are
those that are predicted to take 0.95 to 1 of the limit; networks of the two hand-made families are the
largest that keep it. All are trained alike, and measured in turns at the end. What is finished is not
repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import fmean, median, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from autodas.cli._setup import open_data
from autodas.cli.config._configuration import parse
from autodas.cli.train import TrainConfig, _training_of
from autodas.costs import CostTable, read_table
from autodas.devices import MeasureSettings
from autodas.devices._measure import measure_passes
from autodas.loop import ALONE, Keeping
from autodas.networks import CellBlueprint
from autodas.runs.folder import GENOTYPE, RunFolder
from autodas.spaces import get_space
from autodas.strategies._network_budget import Limits, cost_ranges, network_budget
from autodas.training.fit import Fit, evaluate_network
from autodas.zoo import load_genotype
from finished_runs import finished_run, machine
from hand_made import FAMILIES, HandMade

SPACE = get_space("cifar-o2d").with_size(K=2, C1=24, C2=32)
SIZE = [f"--space.{name}={getattr(SPACE.skeleton, name)}" for name in ("K", "C1", "C2")]
TRAINED = [f"--skeleton.{name}={getattr(SPACE.skeleton, name)}" for name in ("K", "C1", "C2")]
SETTINGS = MeasureSettings(runtime="onnxruntime")
RANDOM = "random cells"
SECONDS = 3.0
REFERENCES = 3


def command(*words: str) -> None:
    """Run a command of autodas."""
    subprocess.run([sys.executable, "-m", "autodas", *words], check=True)


def table_of(folder: Path, networks: int) -> CostTable:
    """Return the table of this machine, from random networks; what is there is not repeated."""
    nets, file = folder / "nets", folder / "table.json"
    if not file.exists():
        command("device", "sample", f"--space={SPACE.name}", *SIZE, "-n", str(networks), "-o", str(nets))
        command("device", "measure", str(nets), "--runtime=onnxruntime", f"--seconds={SECONDS}")
        command(
            "device", "fit", f"{nets}/measurements.csv", "-o", str(file), f"--page={folder / 'table.html'}"
        )
    return read_table(file)


def quartile(table: CostTable) -> float:
    """Return the 25th percentile of what random architectures are predicted to take."""
    assert table.setting is not None
    budget = network_budget(SPACE, table.setting, Limits(tables=((table, 1e6),)))
    assert budget is not None
    (found,) = cost_ranges(SPACE, budget)
    return found.quartiles[0]


def draw(table: CostTable, limit: float, seed: int, folder: Path) -> Path:
    """Return the file of a random architecture that is predicted to take 0.95 to 1 of the limit."""
    generator = Random(seed)
    while True:
        genotype = SPACE.random_genotype(generator, f"random-{seed}")
        if 0.95 * limit <= table.predict(genotype) <= limit:
            folder.mkdir(parents=True, exist_ok=True)
            genotype.save(folder / "random.json")
            return folder / "random.json"


def onnx_pass(path: Path) -> Callable[[], object]:
    """Return a function that passes one image through an ONNX file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
    return lambda: session.run(None, {given.name: x})


def milliseconds(files: Sequence[Path]) -> list[float]:
    """Return the latencies of ONNX files, measured in turns."""
    found = measure_passes([onnx_pass(path) for path in files], SETTINGS, seconds=SECONDS)
    return [each.milliseconds for each in found]


def export(network: nn.Module, path: Path) -> Path:
    """Write a network without its own export as ONNX."""
    torch.onnx.export(
        network.eval(), (torch.zeros(1, 3, 32, 32),), path, dynamo=True, external_data=False, verbose=False
    )
    return path


def sizes_of(folder: Path, limit: float) -> dict[str, tuple[int, int]]:
    """Return width and depth of the largest network of each family that keeps the limit, found once."""
    file = folder / "sizes.json"
    if not file.exists():
        file.write_text(json.dumps({family: largest(family, limit, folder / "nets") for family in FAMILIES}))
    return {family: (width, blocks) for family, (width, blocks) in json.loads(file.read_text()).items()}


def largest(family: str, limit: float, nets: Path) -> tuple[int, int]:
    """Return width and depth of the largest hand-made network that keeps the limit, by bisection.

    Networks of the sample take turns with it, and show how fast the machine is now.
    """
    with (nets / "measurements.csv").open() as file:
        known = list(csv.DictReader(file))[:REFERENCES]
    sizes = FAMILIES[family]
    low, high = 0, len(sizes) - 1
    with TemporaryDirectory() as folder:
        while low < high:
            middle = (low + high + 1) // 2
            network = export(HandMade(family, *sizes[middle]), Path(folder, "network.onnx"))
            own, *others = milliseconds([network, *(nets / row["file"] for row in known)])
            slower = median(now / float(row["latency_ms"]) for now, row in zip(others, known, strict=True))
            low, high = (middle, high) if own / slower <= limit else (low, middle - 1)
    return sizes[low]


def searched(arguments: argparse.Namespace, method: str, seed: int, limit: float, folder: Path) -> Any:
    """Search within the limit; return the run."""
    words = ["search", f"--strategy={method}", f"--seed={seed}", *common(arguments)]
    words += [f"--space.name={SPACE.name}", *(f"--{word}" for word in arguments.search)]
    words += [f"--budget.table={arguments.run / 'table.json'}", f"--budget.limit={limit:.6g}"]
    return finished_run(words, folder / "search")


def common(arguments: argparse.Namespace) -> list[str]:
    """Return the options of searches and trainings."""
    both = [f"--{word}" for word in arguments.both]
    return [f"--data={arguments.data}", "--preset=quickstart", "--compute.threads=1", *both]


def trained_cells(arguments: argparse.Namespace, genotype: Path, seed: int, folder: Path) -> dict[str, Any]:
    """Train the network of a genotype, and export it."""
    words = ["train", str(genotype), f"--seed={seed}", *common(arguments), *TRAINED]
    run = finished_run([*words, *(f"--{word}" for word in arguments.train)], folder / "train")
    if not (folder / "network.onnx").exists():
        command("export", str(run.folder), "--to=onnx", "-o", str(folder / "network.onnx"))
    summary = run.summary
    return {
        "accuracy": summary["test"]["top1"],
        "parameters": summary["parameters"],
        "multiply_adds": summary["multiply_adds"],
        "machine": machine(run),
    }


def trained_by_hand(
    arguments: argparse.Namespace, family: str, size: tuple[int, int], seed: int, folder: Path
) -> dict[str, Any]:
    """Train a hand-made network with the data, the optimiser and the epochs of the others, and export it."""
    file = folder / "result.json"
    if not file.exists():
        words = ["darts_v2", f"--seed={seed}", *common(arguments), *(f"--{word}" for word in arguments.train)]
        config = parse("train", TrainConfig, words, presets="train")
        torch.set_num_threads(1)
        dataset, augmentation = open_data(config.data, config.seed)
        blueprint = CellBlueprint(load_genotype("darts_v2"), SPACE.skeleton)
        (folder / "train" / "checkpoints").mkdir(parents=True, exist_ok=True)
        place, device = RunFolder(folder / "train"), torch.device("cpu")
        like = _training_of(config, blueprint, dataset, augmentation, device, place, ALONE)
        torch.manual_seed(seed)
        network = HandMade(family, *size)
        keeping = Keeping(place, tensorboard=False, quiet=True)
        fit = Fit(
            network, like.fit.train, like.task, epochs=config.epochs, optim=config.optim, keeping=keeping
        )
        fit.run({"data": dataset.name, "task": like.task.name}, [])
        found = evaluate_network(network, like.test, like.task, quiet=True).summary()
        export(network, folder / "network.onnx")
        parameters = sum(p.numel() for p in network.parameters())
        width, blocks = size
        result = {"accuracy": found["top1"], "width": width, "blocks": blocks, "parameters": parameters}
        file.write_text(json.dumps(result))
    return dict(json.loads(file.read_text()))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", default="das,sdas-a")
    for name in ("both", "search", "train"):
        parser.add_argument(f"--{name}", nargs="*", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args(argv)
    table = table_of(arguments.run, arguments.networks)
    limit = quartile(table)
    methods = arguments.methods.split(",")
    sizes = sizes_of(arguments.run, limit)
    print(f"limit {limit:.3f} ms; channels and blocks of a stage: {sizes}", flush=True)
    rows: list[dict[str, Any]] = []
    folders = []
    for seed in range(arguments.seeds):
        for method in (*methods, RANDOM, *FAMILIES):
            folder = arguments.run / method.replace(" ", "-") / f"seed{seed}"
            row: dict[str, Any] = {"method": method, "seed": seed}
            if method in FAMILIES:
                row |= trained_by_hand(arguments, method, sizes[method], seed, folder)
            elif method == RANDOM:
                genotype = draw(table, limit, seed, folder)
                row["predicted"] = table.predict(load_genotype(str(genotype)))
                row |= trained_cells(arguments, genotype, seed, folder)
            else:
                search = searched(arguments, method, seed, limit, folder)
                (spent,) = search.summary["budget"]
                row |= {"predicted": spent["amount"], "measured_in_search": spent["measured"]}
                row |= trained_cells(arguments, search.folder / GENOTYPE, seed, folder)
            rows.append(row)
            folders.append(folder)
            print(f"{method}, seed {seed}: {row['accuracy']:.1f} %", flush=True)
    for row, latency in zip(rows, milliseconds([folder / "network.onnx" for folder in folders]), strict=True):
        row["milliseconds"] = latency
    facts = {
        "settings": {key: getattr(arguments, key) for key in ("networks", "both", "search", "train")},
        "limit": limit,
        "device": dict(table.device),
        "fit": {key: value for key, value in table.fit.items() if key != "held_out"},
        "methods": means(rows),
        "rows": rows,
    }
    arguments.output.write_text(json.dumps(facts, indent=1) + "\n")


def means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean and deviation of accuracy and latency of each method."""
    found: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        found[method] = {"count": len(own)}
        for name in ("accuracy", "milliseconds", "parameters"):
            values = [row[name] for row in own]
            found[method][name] = fmean(values)
            if len(values) > 1 and name != "parameters":
                found[method][f"{name}_deviation"] = stdev(values)
    return found


if __name__ == "__main__":
    main()
