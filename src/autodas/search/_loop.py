"""The search: phases, iterations, decisions, logs, checkpoints."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autodas.data import Augmentation, ImageDataset, Loader, stratified_halves
from autodas.errors import AutodasError, Interrupted
from autodas.genotype import Genotype
from autodas.search._accuracies import SearchAccuracies, evaluate_mixture, final_accuracies
from autodas.search._budget import supernet_multiply_adds
from autodas.search._phase import PhaseRun
from autodas.spaces import Space, validate
from autodas.strategies import StrategySettings, load_strategy
from autodas.strategies._discretisation import Decision
from autodas.strategies.base import SearchPlan, Strategy
from autodas.supernet import ENGINES, Supernet
from autodas.training import (
    OptimSettings,
    Precision,
    Progress,
    RunFolder,
    RunLog,
    StopRequest,
    duration,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
    shown,
)

STEP_PICTURES = 256
"""How many validation pictures measure what a late decision costs."""

LATE = 100
"""A decision that fewer iterations follow is late: what it costs in accuracy is logged."""


@dataclass(frozen=True)
class Candidate:
    """A network that a phase ended in."""

    phase: str
    genotype: Genotype
    accuracies: SearchAccuracies


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        genotype: the architecture; of several candidates the best on the validation half.
        accuracies: with the weights of the search.
        candidates: all networks that phases ended in.
        margin: mean priority of the decisions on edges, in [0, 1]: how clear they were. ``None``
            where nothing was decided.
    """

    genotype: Genotype
    accuracies: SearchAccuracies
    candidates: tuple[Candidate, ...]
    margin: float | None


class Search:
    """A search for a genotype. ``Search(...).run()`` does all of it.

    Args:
        dataset: the training pictures are split in two halves, stratified and seeded: the weights are
            trained on the first, the architecture on the second. Test pictures are not touched.
        space: where to search.
        strategy: name of the method.
        settings: the method's settings.
        folder: the run folder; :meth:`run` needs it to have been created.
        epochs: length of the search, in epochs of the first half.
        batch_size: pictures a step; capped at the size of a half.
        optim: of the weights.
        augmentation: of the pictures of both halves during the steps; ``None`` for the data set's own.
        seed: of everything random.
        device: where to compute.
        precision: of forward and backward passes; evaluations are in single precision.
        engine: how the supernet is computed.
        workers: processes that read pictures, for sets that are not held in memory.
        checkpoint_every: iterations between checkpoints; 0 for one at the end of each epoch.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files.
        quiet: whether to print nothing.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        space: Space,
        strategy: str,
        settings: StrategySettings,
        folder: RunFolder,
        *,
        epochs: int,
        batch_size: int,
        optim: OptimSettings,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
        engine: str = "reference",
        workers: int = 0,
        checkpoint_every: int = 0,
        resume: bool = False,
        tensorboard: bool = True,
        quiet: bool = False,
    ) -> None:
        if epochs < 1:
            raise AutodasError(f"epochs={epochs} must be at least 1")
        if batch_size < 2:
            raise AutodasError(f"batch_size={batch_size} must be at least 2")
        self.dataset, self.space, self.folder, self.engine = dataset, space, folder, engine
        self.optim, self.seed, self.device, self.precision = optim, seed, torch.device(device), precision
        self.checkpoint_every, self.tensorboard, self.quiet = checkpoint_every, tensorboard, quiet
        if engine not in ENGINES:
            raise AutodasError(f"unknown engine '{engine}'; the engines are {', '.join(ENGINES)}")
        weights_half, architecture_half = stratified_halves(
            dataset.train.labels, 0.5, seed, classes=dataset.classes
        )
        self.halves = {"train": weights_half, "validation": architecture_half}
        augmentation = augmentation or dataset.default_augmentation
        self.train = self._loader(weights_half, batch_size, seed, augmentation, workers)
        self.valid = self._loader(architecture_half, batch_size, seed + 1, augmentation, workers)
        self.train_plain = self._loader(weights_half, 2 * batch_size, seed, None, workers)
        self.valid_plain = self._loader(architecture_half, 2 * batch_size, seed, None, workers)
        self.valid_few = self._loader(
            _spread(architecture_half, STEP_PICTURES), STEP_PICTURES, seed, None, workers
        )
        self.iterations = epochs * len(self.train)
        plan = SearchPlan(space, self.iterations, seed, self._multiply_adds)
        self.strategy: Strategy = load_strategy(strategy)(settings, plan)
        self.phases = list(self.strategy.phases())
        self.total = sum(phase.iterations for phase in self.phases)
        self.candidates: list[dict[str, Any]] = []
        self.margins: list[float] = []
        self.state = load_checkpoint(folder.checkpoint, "search") if resume else None

    def _loader(
        self, half: np.ndarray, batch_size: int, seed: int, augmentation: Augmentation | None, workers: int
    ) -> Loader:
        return Loader(
            self.dataset.train,
            half,
            batch_size=batch_size,
            mean=self.dataset.mean,
            std=self.dataset.std,
            image_size=self.dataset.image_size,
            seed=seed,
            shuffle=augmentation is not None,
            augmentation=augmentation,
            device=self.device,
            workers=workers,
        )

    def _multiply_adds(self, alive: Any) -> int:
        return supernet_multiply_adds(
            self.space,
            alive,
            classes=len(self.dataset.classes),
            channels=self.dataset.channels,
            image_size=self.dataset.image_size,
        )

    def run(self) -> SearchResult:
        """Search, and write the run folder.

        Raises:
            AutodasError: if the loss is no longer a number, or the disk is full; the last good
                checkpoint is kept.
            Interrupted: after Ctrl-C or a termination signal; the state has been saved.
        """
        state, first = self.state, 0
        if state is not None:
            first, self.candidates, self.margins = state["phase"], state["candidates"], state["margins"]
        done = sum(phase.iterations for phase in self.phases[:first])
        done += 0 if state is None else state["run"]["iteration"]
        self.log = RunLog(
            self.folder,
            lengths=None if state is None else state["log"],
            tensorboard=self.tensorboard,
            step=done,
        )
        with Progress(self.total, done, self.quiet) as self.progress, StopRequest() as self.stop:
            try:
                if state is None:
                    self._begin()
                for number in range(first, len(self.phases)):
                    self._phase(number, state)
                    state = None
                return self._end()
            finally:
                self.log.close()

    def _begin(self) -> None:
        self.folder.write_environment()
        self.folder.write(
            "split.json", json.dumps({name: half.tolist() for name, half in self.halves.items()}) + "\n"
        )
        cell, skeleton = self.space.cell, self.space.skeleton
        self.log.event(
            "start",
            command="search",
            strategy=self.strategy.name,
            data=self.dataset.name,
            classes=len(self.dataset.classes),
            pictures={name: len(half) for name, half in self.halves.items()},
            space={
                "name": self.space.name,
                "cell": cell.name,
                "kinds": list(self.space.kinds),
                "operations": list(cell.operations),
                "K": skeleton.K,
                "C1": skeleton.C1,
                "C2": skeleton.C2,
            },
            phases=[{"name": phase.name, "iterations": phase.iterations} for phase in self.phases],
            remaining=self.strategy.remaining(),
        )

    def _start_phase(self, number: int) -> PhaseRun:
        phase = self.phases[number]
        seed_everything(self.seed + number)
        self.strategy.start(number, self.device)
        supernet = Supernet(
            phase.space,
            classes=len(self.dataset.classes),
            channels=self.dataset.channels,
            engine=self.engine,
        ).to(self.device)
        return PhaseRun(
            phase,
            number,
            self.strategy,
            supernet,
            self.optim,
            len(self.train),
            self.device,
            self.precision,
        )

    def _phase(self, number: int, state: dict[str, Any] | None) -> None:
        run = self._start_phase(number)
        if state is not None:
            run.load_state_dict(state["run"])
            restore_random_state(state["random"])
        offset = sum(phase.iterations for phase in self.phases[:number])
        train = self.train.stream(run.iteration)
        valid = self.valid.stream(max(0, run.iteration - run.phase.weights_only))
        epoch_start = time.monotonic()
        relaxed = None if state is None else state["relaxed"]
        while run.iteration < run.phase.iterations:
            run.step(next(train), next(valid) if run.searches else None)
            last = run.iteration == run.phase.iterations
            if last:
                relaxed = evaluate_mixture(run.supernet, self.strategy.mixture(), self.valid_plain).top1
            self._decide(run, offset)
            if self.progress.due:
                self._show(run, offset, epoch_start)
            if last or run.iteration % len(self.train) == 0:
                self._end_epoch(run, offset, epoch_start)
                epoch_start = time.monotonic()
            self._maybe_save(run, relaxed, last)
        assert relaxed is not None
        self._finish_phase(run, relaxed, offset)

    def _decide(self, run: PhaseRun, offset: int) -> None:
        before = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()}
        decisions = self.strategy.after_iteration(run.iteration)
        if not decisions:
            return
        self._log_decisions(decisions, run, offset)
        if run.phase.iterations - run.iteration < LATE:
            after = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()}
            self.log.event(
                "late_decisions",
                iteration=offset + run.iteration,
                steps=[decision.step for decision in decisions],
                pictures=min(STEP_PICTURES, len(self.halves["validation"])),
                before=evaluate_mixture(run.supernet, before, self.valid_few).top1,
                after=evaluate_mixture(run.supernet, after, self.valid_few).top1,
            )
        run.let_go()
        self.log.event("architecture", iteration=offset + run.iteration, weights=self.strategy.snapshot())

    def _log_decisions(self, decisions: list[Decision], run: PhaseRun, offset: int) -> None:
        for decision in decisions:
            if decision.what == "edge":
                self.margins.append(decision.priority)
            self.log.event(
                "decision",
                step=decision.step,
                iteration=offset + run.iteration,
                epoch=_epoch(run.iteration, len(self.train)),
                kind=decision.kind,
                what=decision.what,
                **decision.detail,
                priority=decision.priority,
                remaining=decision.remaining,
            )

    def _end_epoch(self, run: PhaseRun, offset: int, start: float) -> None:
        run.watch.check()
        metrics = {**run.train_meter.result("train_"), **run.valid_meter.result("valid_")}
        seconds = time.monotonic() - start
        pictures = float(run.train_meter.sums[3] + run.valid_meter.sums[3])
        run.new_meters()
        epoch = _epoch(run.iteration, len(self.train))
        remaining = self.strategy.remaining()
        self.log.event(
            "epoch",
            phase=run.phase.name,
            epoch=epoch,
            iteration=offset + run.iteration,
            **metrics,
            remaining=remaining,
            volatile={"seconds": seconds, "pictures_per_second": pictures / max(seconds, 1e-9)},
        )
        self.log.event("architecture", iteration=offset + run.iteration, weights=self.strategy.snapshot())
        self.log.metrics(offset + run.iteration, {**metrics, "remaining": remaining})
        self.progress.line(
            f"{run.phase.name} epoch {epoch}: {shown(metrics)}, architectures left {_short(remaining)}, "
            f"{duration(seconds)}"
        )

    def _show(self, run: PhaseRun, offset: int, start: float) -> None:
        within = (run.iteration - 1) % len(self.train) + 1
        pace = (time.monotonic() - start) / within
        left = pace * self._iterations_left(run)
        metrics = run.train_meter.result()
        self.progress.update(
            offset + run.iteration,
            f"{shown(metrics)}, architectures left {_short(self.strategy.remaining())}, "
            f"{duration(left)} to go",
        )

    def _iterations_left(self, run: PhaseRun) -> float:
        """Return what is left to do, in iterations that cost as much as one now."""
        total = run.phase.iterations
        points = [run.iteration + (total - run.iteration) * (i + 0.5) / 20 for i in range(20)]
        now = self.strategy.expected_cost(run.iteration / total)
        mean = sum(self.strategy.expected_cost(p / total) for p in points) / 20
        later: int = sum(phase.iterations for phase in self.phases[run.number + 1 :])
        return (total - run.iteration) * mean / now + later

    def _maybe_save(self, run: PhaseRun, relaxed: float | None, last: bool) -> None:
        every = self.checkpoint_every or len(self.train)
        if last or self.stop.requested or run.iteration % every == 0:
            run.watch.check()
            self._save(run, relaxed)
        if self.stop.requested:
            raise Interrupted(
                f"stopped after iteration {run.iteration}; continue with --resume {self.folder.path}"
            )

    def _save(self, run: PhaseRun, relaxed: float | None) -> None:
        state = {
            "phase": run.number,
            "run": run.state_dict(),
            "relaxed": relaxed,
            "candidates": self.candidates,
            "margins": self.margins,
            "random": random_state(),
            "log": self.log.lengths,
        }
        save_checkpoint(self.folder.checkpoint, "search", state)

    def _finish_phase(self, run: PhaseRun, relaxed: float, offset: int) -> None:
        genotype, decisions = self.strategy.finish()
        self._log_decisions(decisions, run, offset)
        run.let_go()
        name = f"candidates/{run.number + 1:02d}-{genotype.name}.json"
        path = self.folder.write(name, genotype.to_json())
        read_back = validate(Genotype.load(path), str(path))
        accuracies = final_accuracies(run.supernet, read_back, relaxed, self.valid_plain, self.train_plain)
        self.candidates.append({"phase": run.phase.name, "file": name, **accuracies.to_dict()})
        self.log.event("candidate", **self.candidates[-1])

    def _end(self) -> SearchResult:
        best = max(self.candidates, key=lambda candidate: candidate["discrete"])
        found = [self._candidate(candidate) for candidate in self.candidates]
        chosen = found[self.candidates.index(best)]
        margin = sum(self.margins) / len(self.margins) if self.margins else None
        self.folder.write("genotype.json", chosen.genotype.to_json())
        self.folder.write_json("candidates/index.json", self.candidates)
        self.folder.write_json(
            "summary.json",
            {
                "command": "search",
                "strategy": self.strategy.name,
                "data": self.dataset.name,
                "accuracies": chosen.accuracies.to_dict(),
                "margin": margin,
                "candidates": len(found),
            },
        )
        self.log.event("end", genotype=best["file"], margin=margin, **chosen.accuracies.to_dict())
        return SearchResult(chosen.genotype, chosen.accuracies, tuple(found), margin)

    def _candidate(self, record: dict[str, Any]) -> Candidate:
        fields = SearchAccuracies.__dataclass_fields__
        accuracies = SearchAccuracies(**{name: record[name] for name in fields})
        return Candidate(record["phase"], Genotype.load(self.folder.path / record["file"]), accuracies)


def _spread(half: np.ndarray, count: int) -> np.ndarray:
    """Return some of a half's pictures, evenly spread: folders are ordered by class."""
    places = np.linspace(0, len(half) - 1, min(count, len(half))).astype(int)
    chosen: np.ndarray = half[places]
    return chosen


def _epoch(iteration: int, length: int) -> int:
    return -(-iteration // length)


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count:.2e}"
