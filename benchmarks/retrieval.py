"""Retrieval of classes that were never trained, by networks of searched and random cells.

usage: python benchmarks/retrieval.py --cifar10 FOLDER --cells NAME=GENOTYPE ... --run FOLDER --output FILE

Each network is trained on five classes of CIFAR-10, and test images of the other five are retrieved. Beside
them: raw pixels, and the same networks without training. What is finished in the folder is not repeated.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from autodas.data import ImageDataset, Loader, open_dataset
from autodas.loop.tasks import RetrievalEvaluation
from autodas.training.model_file import load_model
from finished_runs import finished_run, machine

TRAINED = ("airplane", "bird", "deer", "frog", "ship")
UNSEEN = ("automobile", "cat", "dog", "horse", "truck")
SETTINGS = [
    "--task=embedding",
    "--data.subset=5000",
    "--skeleton.K=1",
    "--skeleton.C1=16",
    "--skeleton.C2=64",
]
SETTINGS += ["--epochs=8", "--batch_size=64", "--optim.lr=0.05", "--embedding.dimensions=64"]
SEEDS = range(3)


def found(vectors: torch.Tensor, dataset: ImageDataset) -> dict[str, Any]:
    """Return the metrics of vectors of the test samples."""
    labels = torch.from_numpy(dataset.test.labels)
    result = RetrievalEvaluation(outputs=vectors, targets=labels, indices=torch.arange(len(labels)))
    return {name: result.summary()[name] for name in ("map", "rank1", "rank10", "chance", "standard_error")}


def untrained(run: Path, seed: int, dataset: ImageDataset) -> dict[str, Any]:
    """Return the metrics of a network of a run with new weights; its statistics are of the samples."""
    _, facts = load_model(run)
    torch.manual_seed(seed)
    network = facts.build()
    images = pixels(dataset)
    with torch.no_grad():
        for batch in images.split(100):
            network(batch)
        vectors = torch.cat([network.eval()(batch) for batch in images.split(250)])
    return found(vectors, dataset)


def pixels(dataset: ImageDataset) -> torch.Tensor:
    """Return the normalised test samples."""
    loader = Loader(
        dataset.test,
        None,
        batch_size=500,
        mean=dataset.mean,
        std=dataset.std,
        image_size=dataset.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
    )
    return torch.cat([batch.images for batch in loader.batches(0)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True)
    parser.add_argument("--cells", nargs="+", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    data = f"cifar10:{options.cifar10}"
    classes = [f"--data.classes={','.join(TRAINED)}", f"--data.test_classes={','.join(UNSEEN)}"]
    dataset = open_dataset(data, task="embedding", classes=TRAINED, test_classes=UNSEEN)
    rows: dict[str, Any] = {"raw pixels": found(pixels(dataset).flatten(1), dataset)}
    facts: dict[str, object] = {}
    for cell in options.cells:
        name, _, genotype = cell.partition("=")
        seeds, without = [], []
        for seed in SEEDS:
            folder = options.run / f"{name.replace(' ', '-')}-{seed}"
            words = ["train", genotype, f"--data={data}", *classes, *SETTINGS, f"--seed={seed}"]
            run = finished_run(words, folder)
            facts = machine(run)
            seeds.append(json.loads((folder / "summary.json").read_text())["test"])
            without.append(untrained(folder, seed, dataset))
        for title, results in ((name, seeds), (f"{name}, untrained", without)):
            maps = [result["map"] for result in results]
            rows[title] = {
                "map": fmean(maps),
                "deviation": stdev(maps),
                "rank1": fmean(result["rank1"] for result in results),
                "seeds": maps,
            }
            print(title, rows[title])
        options.output.write_text(
            json.dumps({"machine": facts, "settings": SETTINGS, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
