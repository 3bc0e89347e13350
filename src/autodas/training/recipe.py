"""Recipe from a genotype and a data set to a tested network in a run folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from autodas.data import Augmentation, ImageDataset, Loader, Split
from autodas.loop import (
    Compute,
    Keeping,
    check_blueprint,
    check_same_data,
    check_same_facts,
    digest_of,
    explain_out_of_memory,
    input_facts,
    process_facts,
    seed_everything,
    seed_process,
    use_single_precision,
    write_data,
    write_environment,
)
from autodas.loop.tasks import Evaluation, Task, task_of
from autodas.networks import Blueprint, CellBlueprint, HandcraftedBlueprint
from autodas.runs.events import Epoch
from autodas.runs.folder import GENOTYPE, MODEL, SUMMARY
from autodas.runs.reading import read_events
from autodas.settings import EmbeddingSettings, EvaluationPlan, OptimSettings
from autodas.time_estimate import TimeEstimate, times_of
from autodas.training.fit import Fit, Regularisation, evaluate_network
from autodas.training.model_file import ModelFacts, save_model
from autodas.training.start_weights import start_from
from autodas.training.teacher import Distillation


class Training:
    """Training of a network from scratch, and its test; ``Training(...).run()`` does both.

    All training samples are used, and the last epoch's weights are tested, unless the evaluation plan holds
    some out for validation: then the best epoch on those is tested.

    Args:
        blueprint: blueprint of the network.
        dataset: data set to train and test on.
        keeping: what is kept of the run; :meth:`run` requires its folder to exist.
        epochs: number of epochs.
        batch_size: samples per step.
        optim: settings of the weights' optimiser.
        augmentation: augmentation of training samples; ``None`` for the data set's default.
        regularisation: drop path and auxiliary head; by default neither.
        distillation: teacher whose outputs are learned, too; ``None`` for none.
        embedding: settings of the task ``embedding``.
        evaluation: samples held out, and how the test set is evaluated.
        weights: a trained network to start from: a model file or a run folder; ``None`` for newly initialised
            weights.
        seed: seed of all random numbers.
        compute: where and how to compute.

    Raises:
        AutodasError: if the arguments do not fit together; nothing has been written then.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        dataset: ImageDataset,
        *,
        keeping: Keeping,
        epochs: int,
        batch_size: int = 96,
        optim: OptimSettings | None = None,
        augmentation: Augmentation | None = None,
        regularisation: Regularisation | None = None,
        distillation: Distillation | None = None,
        embedding: EmbeddingSettings | None = None,
        evaluation: EvaluationPlan | None = None,
        weights: str | None = None,
        seed: int = 0,
        compute: Compute | None = None,
    ) -> None:
        optim, regularisation = optim or OptimSettings(), regularisation or Regularisation()
        evaluation, compute = evaluation or EvaluationPlan(), (compute or Compute()).placed()
        self.group, keeping = compute.group, keeping.by(compute.group)
        self.dataset, self.folder, self.keeping = dataset, keeping.folder, keeping
        self.task: Task[Any] = task_of(dataset, optim, embedding)
        self.task.check_batch(batch_size)
        if self.group.size > 1:
            check_same_facts(self.group, "other data", {dataset.name: digest_of(dataset.fingerprint)})
        if keeping.resume:
            self.group.from_first(lambda: check_same_data(self.folder, dataset))
        check_blueprint(dataset, blueprint)
        seed_everything(seed)
        use_single_precision()
        refusal = blueprint.why_no_auxiliary(dataset.image_size)
        self.facts = ModelFacts(
            blueprint,
            dataset.classes,
            dataset.channels,
            dataset.image_size,
            dataset.mean,
            dataset.std,
            auxiliary=regularisation.auxiliary and refusal is None,
            clips=dataset.clips,
            modality=dataset.modality,
            value_range=dataset.value_range,
            flow=dataset.flow,
            task_facts=self.task.described(),
        )
        self.network = self.facts.build()
        self.seed = seed
        self.notes = [] if weights is None else [start_from(self.network, self.facts, weights)]
        self.task.equip(self.network)
        self.network.to(compute.place)
        if regularisation.auxiliary and refusal is not None:
            self.notes.append(f"no auxiliary head: {refusal}")
        if regularisation.drop_path > 0 and isinstance(blueprint, HandcraftedBlueprint):
            self.notes.append("no drop path: hand-crafted networks have no edges to drop")
        self.network.use_compiled_kernels()
        held_out, used = None, None
        if evaluation.validation > 0:
            held_out, used = dataset.train.halves(
                evaluation.validation, seed, "validation", classes=dataset.classes
            )

        larger = 4 if compute.place.type == "cuda" else 2

        def loader(
            split: Split, indices: np.ndarray | None, own: Augmentation | None, views: int = 1, crops: int = 1
        ) -> Loader:
            return Loader(
                split,
                indices,
                batch_size=batch_size if own is not None else larger * batch_size,
                mean=dataset.mean,
                std=dataset.std,
                image_size=dataset.image_size,
                seed=seed,
                shuffle=own is not None,
                augmentation=own,
                device=compute.place,
                workers=compute.workers,
                views=views,
                crops=crops,
                part=compute.part,
                sampler=None if own is None else self.task.sampler,
            )

        views, crops = (1, 1) if dataset.clips is None else (evaluation.test_clips, evaluation.test_crops)
        self.test = loader(dataset.test, None, None, views, crops)
        self.pictures = {
            "train": len(dataset.train) if used is None else len(used),
            "test": len(dataset.test),
        }
        self.fit = Fit(
            self.network,
            loader(dataset.train, used, augmentation or dataset.default_augmentation),
            self.task,
            epochs=epochs,
            optim=optim,
            keeping=keeping,
            compute=compute,
            regularisation=regularisation,
            distillation=distillation,
            validation=None if held_out is None else loader(dataset.train, held_out, None),
            watched=self.test if evaluation.test_every else None,
            watch_every=evaluation.test_every,
        )

    def estimate_time(self) -> TimeEstimate:
        """Estimate the duration of :meth:`run`, from some iterations and a part of an evaluation.

        Nothing is written. The training cannot be used afterwards.
        """
        fit = self.fit
        stream, waits = fit.train.stream(0), fit.device.type == "cuda"

        def wait() -> None:
            if waits:
                torch.cuda.synchronize(fit.device)

        # Recording on a GPU pays off only after some iterations.
        warm_up = 6 if waits else 1
        steps = times_of(lambda: fit.step(next(stream)), wait, warm_up, self.group.longest)
        self.network.eval()
        # Only the first process reports, and there may be fewer batches than processes.
        parts = [0.0]
        if self.group.first:
            parts = times_of(lambda: self.task.evaluate(self.network, islice(self.test.batches(0), 1)), wait)
        sample = sum(parts) / len(parts) / self.test.batch_size / self.group.size
        tests = 1 + (fit.epochs // fit.watch_every if fit.watch_every else 0)
        samples = tests * len(self.test) * self.test.batch_size
        if fit.validation is not None:
            samples += fit.epochs * len(fit.validation) * fit.validation.batch_size
        seconds = fit.iterations * sum(steps) / len(steps) + samples * sample
        return TimeEstimate.around(seconds, steps)

    def _advice(self) -> str:
        parts, size = 2 * self.fit.compute.micro_batches, self.fit.train.batch_size
        return f"less is needed with `micro_batches={parts}` or a `batch_size` below {size}"

    def run(self) -> dict[str, Any]:
        """Train, test and write the run folder; return the summary as in ``summary.json``.

        Raises:
            AutodasError: if the loss is not finite, the disk is full, or memory runs out.
        """
        with self.fit.compute.threaded(self._work):
            return self._run()

    def _work(self) -> int:
        return self.facts.profile().multiply_adds * self.fit.train.batch_size

    def _run(self) -> dict[str, Any]:
        blueprint, processes = self.facts.blueprint, process_facts(self.group, self.fit.device)
        start = {
            "data": self.dataset.name,
            "task": self.task.name,
            "genotype": blueprint.name,
            "pictures": self.pictures,
            "input": input_facts(self.dataset),
            "auxiliary": self.facts.auxiliary,
            "test_watched": self.fit.watched is not None,
            "notes": self.dataset.notes,
            **processes,
        }
        if self.keeping.writes and not self.keeping.resume:
            write_environment(self.folder, self.fit.device, processes)
            write_data(self.folder, self.dataset)
            if isinstance(blueprint, CellBlueprint):
                self.folder.write(GENOTYPE, blueprint.genotype.to_json())
        seed_process(self.seed, self.group.rank)
        with explain_out_of_memory(self._advice):
            self.fit.run(start, self.notes)
            held_out = None if self.fit.validation is None else partial(self._evaluated, self.fit.validation)
            self.task = self.task.finish(self.network, held_out)
            evaluation = self._evaluated(self.test)
        return self.group.from_first(lambda: self._write(evaluation))

    def _evaluated(self, samples: Loader) -> Any:
        return evaluate_network(self.network, samples, self.task, self.keeping.quiet, self.group)

    def _write(self, evaluation: Evaluation) -> dict[str, Any]:
        """Write the network and the result; return the summary."""
        facts = replace(self.facts, task_facts=self.task.described())
        blueprint = facts.blueprint
        save_model(self.folder.path / MODEL, self.network, facts)
        self.task.write(evaluation, self.folder, self.dataset)
        cost = facts.profile()
        summary = {
            "command": "train",
            "genotype": blueprint.name,
            "data": self.dataset.name,
            "task": self.task.name,
            "epochs": self.fit.epochs,
            "best_epoch": self.fit.best.get("epoch"),
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "stages": [asdict(stage) for stage in cost.stages],
            "test_watched": self.fit.watched is not None,
            "test": (test := evaluation.summary()),
            "result": self.task.result_line(test),
            "remarks": self.task.remarks(evaluation, self._train_score()),
        }
        self.folder.write_json(SUMMARY, summary)
        return summary

    def _train_score(self) -> float | None:
        """Return the score on the training samples in the last epoch, in percent, from the log."""
        epochs = [event for event in read_events(self.folder.path) if isinstance(event, Epoch)]
        return epochs[-1].metric(f"train_{self.task.score}") if epochs else None
