"""The search: phases, iterations, decisions, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import torch

from autodas.data import Augmentation, ImageDataset
from autodas.errors import AutodasError, Interrupted
from autodas.genotype import Genotype
from autodas.networks import partial_channels_for, profile
from autodas.notebook import drawn
from autodas.runs import events
from autodas.runs.folder import RunFolder
from autodas.runs.reading import read_events
from autodas.search._accuracies import SearchAccuracies, evaluate_mixture, final_accuracies
from autodas.search._collapse import Diagnosis, diagnose
from autodas.search._cost import supernet_multiply_adds
from autodas.search._decisiveness import Decisiveness, decisiveness
from autodas.search._halves import Halves
from autodas.search._journal import Journal, Pictures
from autodas.search._memory import SearchSize
from autodas.search._phase import PhaseRun, check_second_order
from autodas.search._state import SEARCH_STATE
from autodas.settings import Graphs, OptimSettings, Precision
from autodas.spaces import Space, fit_skeleton, validate
from autodas.stopping import Stopped
from autodas.strategies import StrategySettings, load_strategy
from autodas.strategies._budget import Budget
from autodas.strategies.base import SearchPlan, Strategy
from autodas.supernet import Supernet, genotype_mixture, get_engine, mixture_of
from autodas.training import (
    Progress,
    StopRequest,
    available_memory,
    check_micro_batches,
    check_reduced_gradients,
    check_same_data,
    check_space,
    checked_random_state,
    explain_damage,
    explain_out_of_memory,
    input_facts,
    load_checkpoint,
    open_log,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
    tell_what_changed,
    what_computes,
    write_data,
    write_environment,
)

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
        genotype: the architecture; of several candidates the last one, or the best on the validation half.
        accuracies: with the weights of the search.
        candidates: all networks that phases ended in.
        chooses: which of them is the result.
        margin: mean priority of the decisions on edges, in [0, 1]: how clear they were. ``None``
            where nothing was decided.
        decisiveness: of the last phase, against chance; likewise.
    """

    genotype: Genotype
    accuracies: SearchAccuracies
    candidates: tuple[Candidate, ...]
    chooses: Literal["best", "last"]
    margin: float | None
    decisiveness: Decisiveness | None = None

    def _repr_html_(self) -> str:
        """Return accuracies and cells, for notebooks."""
        return str(drawn("result of a search", self.genotype, self.accuracies.to_dict(), self.margin))


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
        micro_batches: parts that the batches of both gradient steps are computed in, one after the other:
            less memory, the same gradient but for batch normalisation, whose statistics are those of a part.
        precision: of forward and backward passes; evaluations are in single precision.
        graphs: ``"auto"`` records iterations as CUDA graphs on CUDA devices, where the method admits it.
        engine: how the supernet is computed.
        partial_channels: one channel in so many goes through the candidates of an edge, the others past
            them; 1 for all of them, ``None`` for what the method wants.
        checkpoint_cells: whether to keep only the inputs of cells for the backward pass, which then
            computes each cell again.
        stop_at_skips: ends a phase at the end of the first epoch after which cells of a kind that does not
            reduce would have so many skip connections; what is open then is decided at once. 0 for never.
        budget: what the network of the result may cost (:func:`autodas.network_budget`).
        check_memory: whether to compare an estimate of the memory with what there is.
        workers: processes that read pictures, for sets that are not held in memory.
        checkpoint_every: iterations between checkpoints; 0 for one at the end of each epoch.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files.
        pictures: draws the kinds of cells that have changed since it was last called, as PNG; TensorBoard
            shows them every epoch.
        quiet: whether to print nothing.

    Raises:
        AutodasError: if something does not fit; nothing has been written then.
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
        micro_batches: int = 1,
        precision: Precision = "fp32",
        graphs: Graphs = "auto",
        engine: str = "fused",
        partial_channels: int | None = None,
        checkpoint_cells: bool = False,
        stop_at_skips: int = 0,
        budget: Budget | None = None,
        check_memory: bool = True,
        workers: int = 0,
        checkpoint_every: int = 0,
        resume: bool = False,
        tensorboard: bool = True,
        pictures: Pictures | None = None,
        quiet: bool = False,
    ) -> None:
        if epochs < 1:
            raise AutodasError(f"epochs={epochs} must be at least 1")
        if stop_at_skips < 0:
            raise AutodasError(f"stop_at_skips={stop_at_skips} must be at least 0")
        if batch_size < 2:
            raise AutodasError(f"batch_size={batch_size} must be at least 2")
        get_engine(engine)
        check_space(dataset, space)
        space = replace(space, skeleton=space.skeleton.for_clips(dataset.frames))
        if partial_channels is None:
            partial_channels = load_strategy(strategy).partial_channels
        partial_channels_for(space.skeleton, partial_channels)
        self.dataset, self.space, self.folder, self.engine = dataset, space, folder, engine
        if resume:
            check_same_data(folder, dataset)
        self.partial_channels, self.checkpoint_cells = partial_channels, checkpoint_cells
        self.optim, self.seed, self.device, self.precision = optim, seed, torch.device(device), precision
        self.micro_batches, self.graphs = micro_batches, graphs
        self.stop_at_skips = stop_at_skips
        self.tensorboard, self.pictures, self.quiet = tensorboard, pictures, quiet
        augmentation = augmentation or dataset.default_augmentation
        self.halves = Halves(dataset, batch_size, augmentation, seed, self.device, workers, micro_batches)
        check_micro_batches(micro_batches, self.halves.train.batch_size)
        self.length = len(self.halves.train)
        self.iterations = epochs * self.length
        self.checkpoint_every = checkpoint_every or self.length
        plan = SearchPlan(space, self.iterations, seed, self._multiply_adds, self.length, budget)
        self.strategy: Strategy = load_strategy(strategy)(settings, plan)
        self.phases = list(self.strategy.phases())
        check_second_order(self.strategy.architecture_gradient, engine, micro_batches, checkpoint_cells)
        self.size = SearchSize(
            space,
            strategy,
            settings,
            len(dataset.classes),
            dataset.channels,
            dataset.image_size,
            self.halves.train.batch_size,
            micro_batches,
            precision,
            engine,
            partial_channels,
            checkpoint_cells,
            self.device.type,
        )
        if check_memory:
            self.size.check(available_memory(self.device))
        self.candidates: list[dict[str, Any]] = []
        self.margins: list[float] = []
        self.state = load_checkpoint(folder.checkpoint, "search", SEARCH_STATE) if resume else None

    def _multiply_adds(self, alive: Any) -> int:
        return supernet_multiply_adds(
            self.space,
            alive,
            classes=len(self.dataset.classes),
            channels=self.dataset.channels,
            image_size=self.dataset.image_size,
            partial_channels=self.partial_channels,
        )

    def run(self) -> SearchResult:
        """Search, and write the run folder.

        Raises:
            AutodasError: if the loss is no longer a number, or the disk is full; the last good
                checkpoint is kept. If memory has run out.
            Interrupted: after Ctrl-C or a termination signal; the state has been saved.
        """
        state, first, done = self.state, 0, 0
        if state is not None:
            first, self.candidates, self.margins = state["phase"], state["candidates"], state["margins"]
            with explain_damage(self.folder.checkpoint):
                self._check_candidates(first)
            done = sum(phase.iterations for phase in self.phases[:first]) + state["run"]["iteration"]
            tell_what_changed(state.get("computed"), self.device)
        lengths = None if state is None else state["log"]
        total = sum(phase.iterations for phase in self.phases)
        self.log = open_log(self.folder, lengths=lengths, tensorboard=self.tensorboard, step=done)
        with (
            Progress(total, done, self.quiet) as progress,
            StopRequest() as self.stop,
            explain_out_of_memory(self.size.advice),
        ):
            self.journal = Journal(
                self.log, progress, self.phases, self.length, self.margins, self.device, self.pictures
            )
            try:
                if state is None:
                    self._begin()
                for number in range(first, len(self.phases)):
                    self._phase(number, state)
                    state = None
                return self._end()
            except Stopped:
                raise Interrupted(
                    f"stopped while evaluating; continue with --resume {self.folder.path}"
                ) from None
            finally:
                self.log.close()

    def _check_candidates(self, phase: int) -> None:
        """Look at what earlier phases have found, which the end of the search needs again."""
        if phase >= len(self.phases):
            raise ValueError(f"phase {phase} of {len(self.phases)}")
        for record in self.candidates:
            if record["derived"]:
                self._candidate(record)

    def _begin(self) -> None:
        halves = self.halves.indices
        write_environment(self.folder, self.device)
        write_data(self.folder, self.dataset)
        self.folder.write("split.json", json.dumps({n: half.tolist() for n, half in halves.items()}) + "\n")
        self.journal.begin(
            self.space,
            self.strategy,
            data=self.dataset.name,
            classes=len(self.dataset.classes),
            pictures={name: len(half) for name, half in halves.items()},
            notes=list(self.dataset.notes),
            input=input_facts(self.dataset),
        )

    def start_phase(
        self,
        number: int,
        state: dict[str, Any] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> PhaseRun:
        """Return a phase at its start, or where a checkpoint has left it.

        Args:
            number: which.
            state: of the checkpoint.
            say: is told, in one line, when recording fails.
        """
        seed_everything(self.seed + number)
        self.strategy.start(number, self.device)
        if state is not None:
            with explain_damage(self.folder.checkpoint):
                self.strategy.load_state_dict(state["run"]["strategy"])
        # Asked again: what a phase is made of may be what the one before it has found.
        phase = self.phases[number] = self.strategy.phases()[number]
        classes, channels = len(self.dataset.classes), self.dataset.channels
        supernet = Supernet(
            phase.space,
            classes=classes,
            channels=channels,
            engine=self.engine,
            partial_channels=self.partial_channels,
            checkpoint=self.checkpoint_cells,
            cells=phase.cells,
        )
        supernet.to(self.device)
        run = PhaseRun(
            phase,
            number,
            self.strategy,
            supernet,
            self.optim,
            self.length,
            self.device,
            self.precision,
            micro_batches=self.micro_batches,
            graphs=self.graphs,
            say=say,
        )
        if state is not None:
            with explain_damage(self.folder.checkpoint):
                run.load_state_dict(state["run"])
                restore_random_state(checked_random_state(state["random"]))
        elif self.precision == "bf16" and self.device.type == "cpu":
            size = phase.space.skeleton.input_size(self.dataset.image_size, self.dataset.frames)
            images = torch.zeros(2, channels, *size)
            check_reduced_gradients(supernet, images, mixture_of(self.strategy.alive()))
        return run

    def _phase(self, number: int, state: dict[str, Any] | None) -> None:
        run = self.start_phase(number, state, self.journal.progress.line)
        train = self.halves.train.stream(run.iteration)
        validation = self.halves.validation.stream(max(0, run.iteration - run.phase.weights_only))
        # The accuracy before derivation is known from the last iteration on.
        relaxed = None if state is None else state["relaxed"]
        self.journal.start_clock(*(() if state is None else (state["clock"],)))
        while relaxed is None:
            try:
                batches = next(train), next(validation) if run.searches else None
            except Stopped:
                self._save(run, relaxed)
                raise self._interruption(run) from None
            run.step(*batches)
            last = run.iteration == run.phase.iterations
            found: dict[str, Diagnosis] = {}
            if last or run.iteration % self.length == 0:
                found = diagnose(self.strategy, run.phase.space)
                last = last or self._has_collapsed(run, found)
            if last:
                relaxed = self._validate(run)
            self._decide(run)
            self.journal.show(run)
            if last or run.iteration % self.length == 0:
                run.watch.check()
                self.strategy.after_epoch(partial(self._validate, run))
                self.journal.epoch(run, found)
            self._save_if_due(run, relaxed, last)
        self._finish_phase(run, relaxed)

    def _has_collapsed(self, run: PhaseRun, found: Mapping[str, Diagnosis]) -> bool:
        """Return whether the phase ends now because there are as many skips as the user does not want."""
        if not self.stop_at_skips:
            return False
        for kind in run.phase.space.skeleton.level_kinds:
            if kind in found and found[kind].skips >= self.stop_at_skips:
                self.journal.stopped(run, kind, found[kind].skips)
                return True
        return False

    def _validate(self, run: PhaseRun) -> float:
        """Return the accuracy of the relaxed network on the validation half, in percent."""
        return evaluate_mixture(run.supernet, self.strategy.mixture(), self.halves.validation_plain).top1

    def _decide(self, run: PhaseRun) -> None:
        before = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()}
        decisions = self.strategy.after_iteration(run.iteration)
        if not decisions:
            return
        self.journal.decisions(decisions, run)
        if run.phase.iterations - run.iteration < LATE:
            few = self.halves.validation_few
            self.journal.late_decisions(
                decisions,
                run,
                pictures=self.halves.few,
                before=evaluate_mixture(run.supernet, before, few).top1,
                after=evaluate_mixture(run.supernet, self.strategy.mixture(), few).top1,
            )
        run.let_go()
        self.journal.architecture(run)

    def _save_if_due(self, run: PhaseRun, relaxed: float | None, last: bool) -> None:
        if last or self.stop.requested or run.iteration % self.checkpoint_every == 0:
            self._save(run, relaxed)
        if self.stop.requested:
            raise self._interruption(run)

    def _save(self, run: PhaseRun, relaxed: float | None) -> None:
        run.watch.check()
        state = {
            "phase": run.number,
            "run": run.state_dict(),
            "relaxed": relaxed,
            "candidates": self.candidates,
            "margins": self.margins,
            "clock": self.journal.spent,
            "random": random_state(),
            "computed": what_computes(self.device),
            "log": self.log.lengths,
        }
        save_checkpoint(self.folder.checkpoint, "search", state)

    def _interruption(self, run: PhaseRun) -> Interrupted:
        return Interrupted(
            f"stopped after iteration {run.iteration}; continue with --resume {self.folder.path}"
        )

    def _finish_phase(self, run: PhaseRun, relaxed: float) -> None:
        outcome = self.strategy.finish()
        self.journal.decisions(outcome.decisions, run)
        for number, other in enumerate(outcome.others, 1):
            # No result: it is evaluated as it stands in the supernet.
            file, genotype = self._write_candidate(run, other.genotype, f"-{number}")
            mixture = genotype_mixture(genotype, run.phase.space.cell, self.device)
            found = evaluate_mixture(run.supernet, mixture, self.halves.validation_plain)
            self._add_candidate(run, file, False, {"discrete": found.top1, **other.facts})
        run.let_go()
        if outcome.genotype is not None:
            file, genotype = self._write_candidate(run, outcome.genotype)
            accuracies = final_accuracies(
                run.supernet, genotype, relaxed, self.halves.validation_plain, self.halves.train_plain
            )
            self._add_candidate(run, file, True, {**accuracies.to_dict(), **outcome.facts})

    def _write_candidate(self, run: PhaseRun, genotype: Genotype, mark: str = "") -> tuple[str, Genotype]:
        """Write a genotype; return the name of its file, and the genotype as it is read back from it."""
        file = f"candidates/{run.number + 1:02d}-{genotype.name}{mark}.json"
        path = self.folder.write(file, genotype.to_json())
        return file, validate(Genotype.load(path), str(path))

    def _add_candidate(self, run: PhaseRun, file: str, derived: bool, facts: dict[str, Any]) -> None:
        self.candidates.append({"phase": run.phase.name, "file": file, "derived": derived, **facts})
        self.log.event(events.Candidate.from_dict(self.candidates[-1]))

    def _end(self) -> SearchResult:
        derived = [record for record in self.candidates if record["derived"]]
        found = [self._candidate(record) for record in derived]
        best = len(found) - 1
        if self.strategy.chooses == "best":
            best = max(range(len(found)), key=lambda i: found[i].accuracies.discrete)
        chosen = found[best]
        margin = sum(self.margins) / len(self.margins) if self.margins else None
        self.folder.write("genotype.json", chosen.genotype.to_json())
        self.folder.write_json("candidates/index.json", self.candidates)
        clear = self._decisiveness()
        summary = {
            "command": "search",
            "strategy": self.strategy.name,
            "data": self.dataset.name,
            "accuracies": chosen.accuracies.to_dict(),
            "margin": margin,
            "decisiveness": None if clear is None else clear.to_dict(),
            "remarks": [] if clear is None else clear.remarks(),
            "candidates": len(found),
            "network": self._cost(chosen.genotype),
        }
        accuracies = chosen.accuracies.to_dict()
        self.log.event(events.End(genotype=derived[best]["file"], margin=margin, accuracies=accuracies))
        self.folder.write_json("summary.json", summary)
        return SearchResult(
            chosen.genotype, chosen.accuracies, tuple(found), self.strategy.chooses, margin, clear
        )

    def _decisiveness(self) -> Decisiveness | None:
        phase, before = self.phases[-1], sum(phase.iterations for phase in self.phases[:-1])
        rate = getattr(self.strategy.settings, "learning_rate", 0.0)
        return decisiveness(read_events(self.folder.path), phase.space.cell, before, phase.weights_only, rate)

    def _cost(self, genotype: Genotype) -> dict[str, Any]:
        """Return what the network costs that is built from a genotype in the skeleton of the search."""
        found = profile(
            genotype,
            fit_skeleton(self.space.skeleton, genotype),
            classes=len(self.dataset.classes),
            channels=self.dataset.channels,
            image_size=self.dataset.image_size,
            frames=self.dataset.frames,
            auxiliary=False,
        )
        return {
            "parameters": found.parameters,
            "multiply_adds": found.multiply_adds,
            "stages": [asdict(stage) for stage in found.stages],
        }

    def _candidate(self, record: dict[str, Any]) -> Candidate:
        fields = SearchAccuracies.__dataclass_fields__
        accuracies = SearchAccuracies(**{name: record[name] for name in fields})
        return Candidate(record["phase"], Genotype.load(self.folder.path / record["file"]), accuracies)
