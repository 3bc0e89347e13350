"""From a genotype and a data set to a tested network in a run folder."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from autodas.data import Augmentation, ImageDataset, Loader, stratified_halves
from autodas.genotype import Genotype
from autodas.networks import Network, auxiliary_map
from autodas.settings import OptimSettings, Precision
from autodas.spaces import Skeleton
from autodas.training._evaluate import Evaluation
from autodas.training._seeding import seed_everything
from autodas.training.fit import Fit, Regularisation, evaluate_network
from autodas.training.model_file import ModelFacts, save_model
from autodas.training.run_folder import RunFolder

EXAMPLES = 16
"""How many wrongly recognised test pictures a run folder shows."""


def train_genotype(
    genotype: Genotype,
    skeleton: Skeleton,
    dataset: ImageDataset,
    folder: RunFolder,
    *,
    epochs: int,
    batch_size: int,
    optim: OptimSettings,
    augmentation: Augmentation | None = None,
    drop_path: float = 0.0,
    auxiliary: bool = False,
    auxiliary_weight: float = 0.4,
    validation: float = 0.0,
    test_every: int = 0,
    seed: int = 0,
    device: torch.device | str = "cpu",
    precision: Precision = "fp32",
    workers: int = 0,
    checkpoint_every: int = 1,
    resume: bool = False,
    tensorboard: bool = True,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train a network from scratch and evaluate it once on the test pictures.

    All training pictures are used, and the last epoch's weights are tested, unless ``validation`` holds
    some out: then the epoch that is best on those is tested.

    Args:
        genotype: the architecture.
        skeleton: how its cells are stacked.
        dataset: what to train and test on.
        folder: the run folder; it must have been created.
        epochs: length.
        batch_size: pictures a step.
        optim: of the weights.
        augmentation: of training pictures; ``None`` for the data set's own.
        drop_path: rate of drop path at the end, in [0, 1).
        auxiliary: whether to add the auxiliary head, where its map is at least 5x5.
        auxiliary_weight: weight of that head's loss.
        validation: share of the training pictures that is held out, in [0, 1).
        test_every: epochs between evaluations on the test pictures, for curves; 0 for none.
        seed: of everything random.
        device: where to compute.
        precision: of forward and backward passes.
        workers: processes that read pictures, for sets that are not held in memory.
        checkpoint_every: epochs between checkpoints.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files.
        quiet: whether to print nothing.

    Returns:
        The run's summary, as it is written to ``summary.json``.
    """
    seed_everything(seed)
    facts = ModelFacts(
        genotype,
        skeleton,
        dataset.classes,
        dataset.channels,
        dataset.image_size,
        dataset.mean,
        dataset.std,
        auxiliary=auxiliary and auxiliary_map(skeleton, dataset.image_size) is not None,
    )
    network = facts.build().to(device)
    held_out, used = None, None
    if validation > 0:
        held_out, used = stratified_halves(dataset.train.labels, validation, seed)

    def loader(images: Any, indices: np.ndarray | None, own: Augmentation | None) -> Loader:
        return Loader(
            images,
            indices,
            batch_size=batch_size if own is not None else 2 * batch_size,
            mean=dataset.mean,
            std=dataset.std,
            image_size=dataset.image_size,
            seed=seed,
            shuffle=own is not None,
            augmentation=own,
            device=device,
            workers=workers,
        )

    test = loader(dataset.test, None, None)
    start = {
        "data": dataset.name,
        "genotype": genotype.name,
        "pictures": {"train": len(dataset.train) if used is None else len(used), "test": len(dataset.test)},
        "auxiliary": facts.auxiliary,
        "test_watched": test_every > 0,
    }
    fit = Fit(
        network,
        loader(dataset.train, used, augmentation or dataset.default_augmentation),
        folder,
        epochs=epochs,
        optim=optim,
        regularisation=Regularisation(drop_path, auxiliary_weight),
        validation=None if held_out is None else loader(dataset.train, held_out, None),
        watched=test if test_every else None,
        watch_every=test_every,
        precision=precision,
        checkpoint_every=checkpoint_every,
        resume=resume,
        log_start=start,
        tensorboard=tensorboard,
        quiet=quiet,
    )
    if not resume:
        folder.write_environment()
        folder.write("genotype.json", genotype.to_json())
        if auxiliary and not facts.auxiliary:
            fit.note(f"no auxiliary head: its map would be under 5x5 at {dataset.image_size} pixels")
    fit.run()
    return _finish(network, facts, dataset, test, folder, fit)


def _finish(
    network: Network,
    facts: ModelFacts,
    dataset: ImageDataset,
    test: Loader,
    folder: RunFolder,
    fit: Fit,
) -> dict[str, Any]:
    found = evaluate_network(network, test)
    save_model(folder.path / "model.safetensors", network, facts)
    _write_predictions(folder, found, facts.classes)
    _write_examples(folder, found, dataset)
    summary = {
        "command": "train",
        "genotype": facts.genotype.name,
        "data": dataset.name,
        "epochs": fit.epochs,
        "best_epoch": fit.best.get("epoch"),
        "parameters": sum(p.numel() for n, p in network.named_parameters() if not n.startswith("auxiliary.")),
        "test_watched": fit.watch_every > 0,
        "test": found.summary(),
    }
    folder.write_json("summary.json", summary)
    return summary


def _write_predictions(folder: RunFolder, found: Evaluation, classes: tuple[str, ...]) -> None:
    """Write one row for each test picture: number, label, prediction and the probability of each class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities = found.logits.softmax(1)
    table = pa.table(
        {
            "index": found.indices.numpy(),
            "label": found.labels.numpy(),
            "predicted": probabilities.argmax(1).numpy(),
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities.flatten().numpy()), len(classes)
            ),
        }
    ).replace_schema_metadata({"classes": "\n".join(classes)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    folder.write("predictions.parquet", buffer.getvalue())


def _write_examples(folder: RunFolder, found: Evaluation, dataset: ImageDataset) -> None:
    """Write the test pictures that are most confidently taken for something else."""
    from PIL import Image

    probabilities = found.logits.softmax(1)
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != found.labels).nonzero().flatten()
    worst = wrong[confidence[wrong].argsort(descending=True)][:EXAMPLES]
    rows = []
    for place in worst.tolist():
        index = int(found.indices[place])
        picture = dataset.test.read(index)
        image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        name = f"examples/{index:06d}.png"
        folder.write(name, buffer.getvalue())
        rows.append(
            {
                "file": name,
                "index": index,
                "label": dataset.classes[int(found.labels[place])],
                "predicted": dataset.classes[int(predicted[place])],
                "probability": float(confidence[place]),
            }
        )
    folder.write_json("examples/index.json", rows)
