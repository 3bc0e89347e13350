"""From a genotype and a data set to a tested network in a run folder."""

from __future__ import annotations

import io
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import torch

from autodas.data import Augmentation, ImageDataset, Loader, Split
from autodas.networks import Blueprint, CellBlueprint, HandcraftedBlueprint
from autodas.runs.events import Epoch
from autodas.runs.folder import RunFolder
from autodas.runs.reading import read_events
from autodas.settings import Graphs, OptimSettings, Precision
from autodas.terminal import visible
from autodas.time_estimate import TimeEstimate, times_of
from autodas.training._dimensions import check_blueprint
from autodas.training._environment import write_environment
from autodas.training._evaluate import Evaluation, evaluate
from autodas.training._inputs import input_facts
from autodas.training._out_of_memory import explain_out_of_memory
from autodas.training._remarks import remarks
from autodas.training._seeding import seed_everything
from autodas.training.fit import Fit, Regularisation, evaluate_network
from autodas.training.model_file import ModelFacts, save_model
from autodas.training.run_data import check_same_data, write_data
from autodas.training.start_weights import start_from

EXAMPLES = 16
"""How many wrongly recognised test pictures a run folder shows."""


class Training:
    """Training of a network from scratch, and one evaluation on the test pictures.

    All training pictures are used, and the last epoch's weights are tested, unless ``validation`` holds
    some out: then the epoch that is best on those is tested. ``Training(...).run()`` does all of it.

    Args:
        blueprint: what the network is built from.
        dataset: what to train and test on.
        folder: the run folder; :meth:`run` needs it to have been created.
        epochs: length.
        batch_size: pictures a step.
        optim: of the weights.
        augmentation: of training pictures; ``None`` for the data set's own.
        drop_path: rate of drop path at the end, in [0, 1); hand-crafted networks have no edges to drop.
        auxiliary: whether to add the auxiliary head, where there can be one.
        auxiliary_weight: weight of that head's loss.
        validation: share of the training pictures that is held out, in [0, 1).
        test_clips: clips of each test video, whose scores are averaged (SDAS: 20).
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        weights: a trained network to start from: a model file or a run folder; ``None`` for fresh weights.
        test_every: epochs between evaluations on the test pictures, for curves; 0 for none.
        seed: of everything random.
        device: where to compute.
        micro_batches: parts that each batch is computed in, one after the other, to save memory.
        precision: of forward and backward passes.
        graphs: ``"auto"`` records iterations as CUDA graphs on CUDA devices.
        workers: processes that read pictures, for sets that are not held in memory.
        checkpoint_every: epochs between checkpoints.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files.
        quiet: whether to print nothing.

    Raises:
        AutodasError: if something does not fit; nothing has been written then.
    """

    def __init__(
        self,
        blueprint: Blueprint,
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
        test_clips: int = 20,
        test_crops: int = 1,
        weights: str | None = None,
        test_every: int = 0,
        seed: int = 0,
        device: torch.device | str = "cpu",
        micro_batches: int = 1,
        precision: Precision = "fp32",
        graphs: Graphs = "auto",
        workers: int = 0,
        checkpoint_every: int = 1,
        resume: bool = False,
        tensorboard: bool = True,
        quiet: bool = False,
    ) -> None:
        self.dataset, self.folder, self.resume = dataset, folder, resume
        if resume:
            check_same_data(folder, dataset)
        check_blueprint(dataset, blueprint)
        seed_everything(seed)
        refusal = blueprint.why_no_auxiliary(dataset.image_size)
        self.facts = ModelFacts(
            blueprint,
            dataset.classes,
            dataset.channels,
            dataset.image_size,
            dataset.mean,
            dataset.std,
            auxiliary=auxiliary and refusal is None,
            clips=dataset.clips,
            modality=dataset.modality,
            value_range=dataset.value_range,
            flow=dataset.flow,
        )
        self.network = self.facts.build()
        self.notes = [] if weights is None else [start_from(self.network, self.facts, weights)]
        self.network.to(device)
        if auxiliary and refusal is not None:
            self.notes.append(f"no auxiliary head: {refusal}")
        if drop_path > 0 and isinstance(blueprint, HandcraftedBlueprint):
            self.notes.append("no drop path: hand-crafted networks have no edges to drop")
        self.network.use_compiled_kernels()
        held_out, used = None, None
        if validation > 0:
            held_out, used = dataset.train.halves(validation, seed, "validation", classes=dataset.classes)

        def loader(
            split: Split, indices: np.ndarray | None, own: Augmentation | None, views: int = 1, crops: int = 1
        ) -> Loader:
            return Loader(
                split,
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
                views=views,
                crops=crops,
            )

        views, crops = (1, 1) if dataset.clips is None else (test_clips, test_crops)
        self.test = loader(dataset.test, None, None, views, crops)
        self.pictures = {
            "train": len(dataset.train) if used is None else len(used),
            "test": len(dataset.test),
        }
        self.fit = Fit(
            self.network,
            loader(dataset.train, used, augmentation or dataset.default_augmentation),
            folder,
            epochs=epochs,
            optim=optim,
            regularisation=Regularisation(drop_path, auxiliary_weight),
            validation=None if held_out is None else loader(dataset.train, held_out, None),
            watched=self.test if test_every else None,
            watch_every=test_every,
            micro_batches=micro_batches,
            precision=precision,
            graphs=graphs,
            checkpoint_every=checkpoint_every,
            resume=resume,
            tensorboard=tensorboard,
            quiet=quiet,
        )

    def estimate_time(self) -> TimeEstimate:
        """Predict how long :meth:`run` will take, by doing some iterations and a part of an evaluation.

        Nothing is written. Afterwards the training is of no more use.
        """
        fit = self.fit
        stream, waits = fit.train.stream(0), fit.device.type == "cuda"

        def wait() -> None:
            if waits:
                torch.cuda.synchronize(fit.device)

        # Recording on a GPU takes some iterations until it pays.
        steps = times_of(lambda: fit.step(next(stream)), wait, warm_up=6 if waits else 1)
        self.network.eval()
        parts = times_of(lambda: evaluate(self.network, islice(self.test.batches(0), 1)), wait)
        sample = sum(parts) / len(parts) / self.test.batch_size
        tests = 1 + (fit.epochs // fit.watch_every if fit.watch_every else 0)
        samples = tests * len(self.test) * self.test.batch_size
        if fit.validation is not None:
            samples += fit.epochs * len(fit.validation) * fit.validation.batch_size
        seconds = fit.iterations * sum(steps) / len(steps) + samples * sample
        return TimeEstimate.around(seconds, steps)

    def _advice(self) -> str:
        parts, size = 2 * self.fit.micro_batches, self.fit.train.batch_size
        return f"less is needed with --micro_batches {parts} or a --batch_size below {size}"

    def run(self) -> dict[str, Any]:
        """Train, test and write the run folder; return the summary that ``summary.json`` holds.

        Raises:
            AutodasError: if the loss is no longer a number, the disk is full, or memory has run out.
        """
        facts, blueprint = self.facts, self.facts.blueprint
        start = {
            "data": self.dataset.name,
            "genotype": blueprint.name,
            "pictures": self.pictures,
            "input": input_facts(self.dataset),
            "auxiliary": facts.auxiliary,
            "test_watched": self.fit.watched is not None,
            "notes": self.dataset.notes,
        }
        if not self.resume:
            write_environment(self.folder, self.fit.device)
            write_data(self.folder, self.dataset)
            if isinstance(blueprint, CellBlueprint):
                self.folder.write("genotype.json", blueprint.genotype.to_json())
        with explain_out_of_memory(self._advice):
            self.fit.run(start, self.notes)
            found = evaluate_network(self.network, self.test, facts.classes, self.fit.quiet)
        save_model(self.folder.path / "model.safetensors", self.network, facts)
        _write_predictions(self.folder, found, self.dataset)
        _write_examples(self.folder, found, self.dataset)
        cost = facts.profile()
        summary = {
            "command": "train",
            "genotype": blueprint.name,
            "data": self.dataset.name,
            "epochs": self.fit.epochs,
            "best_epoch": self.fit.best.get("epoch"),
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "stages": [asdict(stage) for stage in cost.stages],
            "test_watched": self.fit.watched is not None,
            "test": found.summary(),
            "remarks": remarks(found, _train_top1(self.folder)),
        }
        self.folder.write_json("summary.json", summary)
        return summary


def _train_top1(folder: RunFolder) -> float | None:
    """Return the accuracy on the training samples in the last epoch, in percent, from the log."""
    epochs = [event for event in read_events(folder.path) if isinstance(event, Epoch)]
    return epochs[-1].metric("train_top1") if epochs else None


def _write_predictions(folder: RunFolder, found: Evaluation, dataset: ImageDataset) -> None:
    """Write a row for each test sample: number, path, label, prediction, probability of each class.

    Of samples that are no files of their own the path says where they are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities = found.logits.softmax(1)
    table = pa.table(
        {
            "index": found.indices.numpy(),
            # Names that are no UTF-8 are written out: Parquet has no other text.
            "path": [visible(dataset.test.describe(index)) for index in found.indices.tolist()],
            "label": found.labels.numpy(),
            "predicted": probabilities.argmax(1).numpy(),
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities.flatten().numpy()), len(dataset.classes)
            ),
        }
    ).replace_schema_metadata({"classes": "\n".join(dataset.classes).encode("utf-8", "surrogatepass")})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    folder.write("predictions.parquet", buffer.getvalue())


def _write_examples(folder: RunFolder, found: Evaluation, dataset: ImageDataset) -> None:
    """Write the test pictures that are most confidently taken for something else; of videos some frames."""
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
                "name": dataset.test.describe(index),
                "label": dataset.classes[int(found.labels[place])],
                "predicted": dataset.classes[int(predicted[place])],
                "probability": float(confidence[place]),
            }
        )
    folder.write_json("examples/index.json", rows)
