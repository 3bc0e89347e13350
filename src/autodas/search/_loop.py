"""The search: phases, iterations, decisions, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any, Literal

import torch

from autodas.data import Augmentation, ImageDataset, Loader
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.loop import (
    OWN,
    Compute,
    InputShape,
    Keeper,
    Keeping,
    check_micro_batches,
    check_reduced_gradients,
    check_same_data,
    check_same_facts,
    check_same_tensors,
    check_space,
    checked_random_state,
    digest_of,
    explain_damage,
    explain_out_of_memory,
    free_memory,
    input_facts,
    load_own_state,
    own_state,
    process_facts,
    restore_random_state,
    seed_everything,
    seed_process,
    use_single_precision,
    write_data,
    write_environment,
)
from autodas.loop.tasks import Task, task_of
from autodas.networks import partial_channels_for, profile
from autodas.notebook import drawn
from autodas.runs import events
from autodas.runs.folder import CANDIDATE_INDEX, CANDIDATES, GENOTYPE, SPLIT, SUMMARY
from autodas.runs.reading import read_events
from autodas.search._accuracies import (
    SearchAccuracies,
    evaluate_mixture,
    final_accuracies,
    reestimated_score,
)
from autodas.search._collapse import Diagnosis, diagnose
from autodas.search._cost import supernet_multiply_adds
from autodas.search._decisiveness import Decisiveness, decisiveness
from autodas.search._halves import Halves
from autodas.search._journal import Journal
from autodas.search._memory import SearchSize
from autodas.search._phase import PhaseRun, check_second_order
from autodas.search._reach import Reach, reach_of
from autodas.search._spent import Spent, spent_by
from autodas.search._state import SEARCH_STATE
from autodas.settings import OptimSettings, SupernetSettings
from autodas.spaces import Space, fit_skeleton, validate
from autodas.strategies import StrategyChoice, choose_strategy
from autodas.strategies._budget import Budget
from autodas.strategies._discretisation import Decision
from autodas.strategies.base import SearchPlan, Strategy
from autodas.strategies.finalists import Finalists
from autodas.supernet import CellMixture, genotype_mixture, get_engine, mixture_of
from autodas.tables import Place

LATE = 100
"""Number of iterations: a decision followed by fewer is late, and its cost in accuracy is logged."""


@dataclass(frozen=True)
class Candidate:
    """Final network of a phase.

    Attributes:
        phase: name of the phase.
        genotype: the architecture.
        accuracies: its accuracies with the weights of the search.
        origin: where a finalist comes from: a search, a neighbour of its cell, or random.
    """

    phase: str
    genotype: Genotype
    accuracies: SearchAccuracies
    origin: str | None = None


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        genotype: the architecture; of several candidates the last one, or the best on the validation half.
        accuracies: accuracies with the weights of the search.
        candidates: the final networks of all phases.
        chooses: rule that chooses the result among them.
        margin: mean priority of the decisions on edges, in [0, 1], a measure of their clarity. ``None`` if
            nothing was decided.
        decisiveness: decisions of the last phase compared with chance; likewise.
        table: place of the architecture in the table of the search, if there is one that has it.
        spent: what its network uses of each resource of the budget.
        remarks: remarks on its decisions, in sentences; none if they are sound.
    """

    genotype: Genotype
    accuracies: SearchAccuracies
    candidates: tuple[Candidate, ...]
    chooses: Literal["best", "last"]
    margin: float | None
    decisiveness: Decisiveness | None = None
    table: Place | None = None
    spent: tuple[Spent, ...] = ()
    remarks: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Return accuracies and cells, for notebooks."""
        return str(drawn("result of a search", self.genotype, self.accuracies.to_dict(), self.margin))


class Search:
    """Search for a genotype; ``Search(...).run()`` runs it.

    Args:
        dataset: data set whose training samples are split into two halves, stratified and seeded: the weights
            are trained on the first, the architecture on the second. Test samples are not touched.
        space: the search space.
        strategy: the method: its name, or the result of :func:`autodas.choose_strategy` for other settings or
            for finals.
        keeping: what is kept of the run; :meth:`run` requires its folder to exist.
        epochs: length of the search, in epochs of the first half.
        batch_size: samples per step; capped at the size of a half.
        optim: settings of the weights' optimiser.
        augmentation: augmentation of the samples of both halves during the steps; ``None`` for the data set's
            default.
        supernet: settings of the supernet's computation.
        budget: limits for the resulting network (:func:`autodas.network_budget`).
        stop_at_skips: ends a phase after the first epoch in which cells of a kind that does not reduce would
            have this many skip connections or more; open decisions are then taken at once. 0 to disable.
        seed: seed of all random numbers.
        compute: where and how to compute.

    Attributes:
        size: everything that the memory of the search depends on; ``size.estimate()`` estimates it.

    Raises:
        AutodasError: if the arguments do not fit together; nothing has been written then.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        space: Space,
        strategy: str | StrategyChoice,
        *,
        keeping: Keeping,
        epochs: int,
        batch_size: int = 64,
        optim: OptimSettings | None = None,
        augmentation: Augmentation | None = None,
        supernet: SupernetSettings | None = None,
        budget: Budget | None = None,
        stop_at_skips: int = 0,
        seed: int = 0,
        compute: Compute | None = None,
    ) -> None:
        if epochs < 1:
            raise AutodasError(f"epochs={epochs} must be at least 1")
        if stop_at_skips < 0:
            raise AutodasError(f"stop_at_skips={stop_at_skips} must be at least 0")
        if batch_size < 2:
            raise AutodasError(f"batch_size={batch_size} must be at least 2")
        choice = choose_strategy(strategy) if isinstance(strategy, str) else strategy
        supernet, compute = supernet or SupernetSettings(), (compute or Compute()).placed()
        get_engine(supernet.engine)
        use_single_precision()
        check_space(dataset, space)
        if keeping.table is not None:
            keeping.table.check(space.cell.genotype_space)
        space = replace(space, skeleton=space.skeleton.for_clips(dataset.frames))
        self.dataset, self.space, self.seed = dataset, space, seed
        self.group, keeping = compute.group, keeping.by(compute.group)
        self.folder = keeping.folder
        self.optim, self.compute = optim or OptimSettings(), compute
        if dataset.task == "embedding":
            raise AutodasError(
                "a search needs classes: search with `task=classification`, then train with `task=embedding`"
            )
        self.task: Task[Any] = task_of(dataset, self.optim)
        shape = InputShape.of(dataset)
        self.size = SearchSize(space, choice, self.task, shape, batch_size, supernet, compute)
        partial_channels_for(space.skeleton, self.size.partial_channels)
        if self.group.size > 1:
            check_same_facts(self.group, "other data", {dataset.name: digest_of(dataset.fingerprint)})
        if keeping.resume:
            self.group.from_first(lambda: check_same_data(self.folder, dataset))
        self.stop_at_skips = stop_at_skips
        augmentation = augmentation or dataset.default_augmentation
        evaluated = self.size.evaluated_at_once
        sampler = self.task.sampler
        self.halves = Halves(dataset, batch_size, augmentation, seed, compute, evaluated, sampler)
        # Capped at the size of a half.
        self.size = replace(
            self.size, batch_size=self.halves.train.batch_size, last_batch=self.halves.last_batch
        )
        check_micro_batches(compute.micro_batches, self.size.batch_size, self.group.size)
        self.length = len(self.halves.train)
        self.iterations = epochs * self.length
        self.checkpoint_every = keeping.every or self.length
        plan = SearchPlan(space, self.iterations, seed, self._multiply_adds, self.length, budget)
        method, settings = self.size.method, choice.settings
        if choice.finalists.searches:
            self.strategy: Strategy = Finalists(method, settings, plan, choice.finalists)
        else:
            self.strategy = method(settings, plan)
        self.budget = budget
        if budget is not None and budget.tighter and not self.strategy.several_limits:
            raise AutodasError(
                f"strategy '{self.strategy.name}' decides for a single limit: run a search for each of "
                "`budget.limits`, with `budget.limit`"
            )
        self.phases = list(self.strategy.phases())
        check_second_order(self.strategy.architecture_gradient, supernet, compute)
        if compute.check_memory:
            self.size.check(free_memory(compute.place))
        self.candidates: list[dict[str, Any]] = []
        self.margins: list[float] = []
        self.keeper = Keeper(keeping, "search", compute.place, SEARCH_STATE, self.group)

    def _multiply_adds(self, alive: Any) -> int:
        return supernet_multiply_adds(
            self.space,
            alive,
            task=self.task,
            shape=self.size.shape,
            partial_channels=self.size.partial_channels,
        )

    def reach(self) -> Reach | None:
        """Return how far the architecture can move before the decisions; ``None`` if nothing moves it."""
        return reach_of(self.strategy, self.iterations // self.length)

    def run(self) -> SearchResult:
        """Run the search and write the run folder.

        Raises:
            AutodasError: if the loss is not finite, or the disk is full (the last good checkpoint is kept),
                or memory runs out.
            Interrupted: after Ctrl-C or a termination signal; the state has been saved.
        """
        keeper, state, first, done = self.keeper, self.keeper.state, 0, 0
        if state is not None:
            first, self.candidates, self.margins = state["phase"], state["candidates"], state["margins"]
            with explain_damage(self.folder.checkpoint):
                self._check_candidates(first)
            done = sum(phase.iterations for phase in self.phases[:first]) + state["run"]["iteration"]
        total = sum(phase.iterations for phase in self.phases)
        with (
            self.compute.threaded(self._work),
            keeper.running(total, done),
            explain_out_of_memory(self.size.advice),
        ):
            self.log = keeper.log
            self.journal = Journal(
                keeper, self.task, self.phases, self.length, self.margins, self.dataset.name
            )
            if state is None:
                self._begin()
            for number in range(first, len(self.phases)):
                self._phase(number, state)
                state = None
            return self._end()

    def _work(self) -> int:
        return self.size.work(self.size.batch_size)

    def _check_candidates(self, phase: int) -> None:
        """Check the results of earlier phases, which the end of the search needs again."""
        if phase >= len(self.phases):
            raise ValueError(f"phase {phase} of {len(self.phases)}")
        for record in self.candidates:
            if record["derived"]:
                self._candidate(record)

    def _begin(self) -> None:
        halves, processes = self.halves.indices, process_facts(self.group, self.compute.place)
        if self.keeper.keeping.writes:
            write_environment(self.folder, self.compute.place, processes)
            write_data(self.folder, self.dataset)
            self.folder.write(SPLIT, json.dumps({n: half.tolist() for n, half in halves.items()}) + "\n")
        self.journal.begin(
            self.space,
            self.strategy,
            data=self.dataset.name,
            task=self.task.name,
            classes=len(self.dataset.classes),
            pictures={name: len(half) for name, half in halves.items()},
            notes=list(self.dataset.notes),
            input=input_facts(self.dataset),
            **processes,
        )

    def start_phase(
        self,
        number: int,
        state: dict[str, Any] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> PhaseRun:
        """Return a phase at its start, or at the state of a checkpoint.

        Args:
            number: number of the phase.
            state: state in the checkpoint.
            say: function that reports a failed recording, in one line.
        """
        seed_everything(self.seed + number)
        device = self.compute.place
        with explain_damage(self.folder.checkpoint) if state is not None else nullcontext():
            own = None if state is None else state["run"]["strategy"]
            phase = self.strategy.start(number, device, own)
        supernet = self.size.new_supernet(phase).to(device)
        run = PhaseRun(
            phase, number, self.strategy, supernet, self.task, self.optim, self.length, self.compute, say
        )
        seed_process(self.seed + number, self.group.rank)
        if state is not None:
            with explain_damage(self.folder.checkpoint):
                run.load_state_dict(state["run"])
                load_own_state(state, run.supernet, run.meters, self.group)
                restore_random_state(checked_random_state(state["random"]), device)
        elif self.compute.precision == "bf16" and device.type == "cpu":
            size = phase.space.skeleton.input_size(self.dataset.image_size, self.dataset.frames)
            images = torch.zeros(2, self.dataset.channels, *size)
            check_reduced_gradients(supernet, images, mixture_of(self.strategy.alive()))
        return run

    def _phase(self, number: int, state: dict[str, Any] | None) -> None:
        run = self.start_phase(number, state, self.keeper.say)
        train = self.halves.train.stream(run.iteration)
        validation = self.halves.validation.stream(max(0, run.iteration - run.phase.weights_only))
        # The accuracy before derivation is known once the last iteration is done.
        relaxed = None if state is None else state["relaxed"]
        self._check_agreement(run)
        self.keeper.clock.start(*(() if state is None else (state["clock"],)))
        while relaxed is None:
            with self.keeper.waiting(run.iteration, partial(self._state, run, relaxed)):
                batches = next(train), next(validation) if run.searches else None
            run.step(*batches)
            last = run.iteration == run.phase.iterations
            diagnoses: dict[str, Diagnosis] = {}
            if last or run.iteration % self.length == 0:
                diagnoses = diagnose(self.strategy, run.phase.space)
                last = last or self._has_collapsed(run, diagnoses)
            if last:
                relaxed = self._validate(run)
            self._decide(run)
            self.journal.show(run)
            if last or run.iteration % self.length == 0:
                run.steps.watch.check()
                self.strategy.after_epoch(partial(self._validate, run))
                if last and self.strategy.go_back():
                    relaxed = self._validate(run)
                self._check_agreement(run)
                run.collect_meters()
                self.journal.epoch(run, diagnoses)
            due = last or run.iteration % self.checkpoint_every == 0
            self.keeper.after(run.iteration, partial(self._state, run, relaxed), due=due)
        self._finish_phase(run, relaxed)

    def _check_agreement(self, run: PhaseRun) -> None:
        """Check that all processes have the same parameters, at the start of a phase and after each epoch."""
        epoch = -(-run.iteration // self.length)
        when = f"since epoch {epoch} of phase {run.phase.name}" if epoch else "from the start"
        check_same_tensors(
            self.group,
            lambda: {**self.strategy.parameters(), **dict(run.supernet.named_parameters())},
            when,
        )

    def _check_decisions(self, decisions: Sequence[Decision], run: PhaseRun) -> None:
        """Check that all processes have taken the same decisions, before any acts on them.

        All take them, from parameters with the same bits.
        """
        decided = [f"{each.kind} {each.what} {dict(each.detail)}" for each in decisions]
        own = digest_of((decided, self.strategy.alive())) if decisions else 0
        most, least = self.group.most(own, -own)
        if most != -least:
            taken = self.group.gather(", ".join(decided) or "none")
            told = "; ".join(f"process {number}: {each}" for number, each in enumerate(taken))
            raise AutodasError(
                f"the processes of this run have taken different decisions in iteration {run.iteration} of "
                f"phase {run.phase.name} ({told}): a method must decide by its parameters, and by random "
                "numbers of generators of its own"
            )

    def _has_collapsed(self, run: PhaseRun, diagnoses: Mapping[str, Diagnosis]) -> bool:
        """Return whether the phase ends now because cells have as many skips as ``stop_at_skips``."""
        if not self.stop_at_skips:
            return False
        for kind in run.phase.space.skeleton.level_kinds:
            if kind in diagnoses and diagnoses[kind].skips >= self.stop_at_skips:
                self.journal.stopped(run, kind, diagnoses[kind].skips)
                return True
        return False

    def _validate(self, run: PhaseRun) -> float:
        """Return the accuracy of the relaxed network on the validation half, in percent."""
        run.average_statistics()
        mixtures = self.strategy.evaluation_mixtures()
        return fmean(self._score(run, each, self.halves.validation_plain) for each in mixtures)

    def _score(self, run: PhaseRun, mixture: dict[str, CellMixture], loader: Loader) -> float:
        return evaluate_mixture(run.supernet, mixture, loader, self.task, self.group).score

    def _decide(self, run: PhaseRun) -> None:
        late = run.phase.iterations - run.iteration < LATE
        # Many small operations, which are only needed if a late decision follows.
        before = {kind: cell.detach() for kind, cell in self.strategy.mixture().items()} if late else {}
        samples = self.halves.validation_few
        decisions = self.strategy.after_iteration(
            run.iteration, lambda mixture: run.loss_of(mixture, samples.batches(0))
        )
        self._check_decisions(decisions, run)
        if not decisions:
            return
        self.journal.decisions(decisions, run)
        if late:
            run.average_statistics()
            few = self.halves.validation_few
            self.journal.late_decisions(
                decisions,
                run,
                pictures=self.halves.few,
                before=self._score(run, before, few),
                after=self._score(run, self.strategy.mixture(), few),
            )
        run.let_go()
        self.journal.architecture(run)

    def _state(self, run: PhaseRun, relaxed: float | None) -> dict[str, Any]:
        """Return everything needed to resume the search."""
        run.steps.watch.check()
        return {
            "phase": run.number,
            "run": run.state_dict(),
            "relaxed": relaxed,
            "candidates": self.candidates,
            "margins": self.margins,
            "clock": self.keeper.clock.spent,
            OWN: own_state(run.supernet, run.meters),
        }

    def _finish_phase(self, run: PhaseRun, relaxed: float) -> None:
        outcome = self.strategy.finish()
        self._check_decisions(outcome.decisions, run)
        run.average_statistics()
        self.journal.decisions(outcome.decisions, run)
        for number, other in enumerate(outcome.others, 1):
            # Not a result: it is evaluated as part of the supernet.
            file, genotype = self._write_candidate(run, other.genotype, f"-{number}")
            mixture = genotype_mixture(genotype, run.phase.space.cell, run.device)
            halves = self.halves.validation_plain, self.halves.train_few
            accuracies = {
                "discrete": self._score(run, mixture, self.halves.validation_plain),
                "reestimated": reestimated_score(run.supernet, mixture, *halves, self.task, self.group),
            }
            self._add_candidate(run, file, False, {**accuracies, **other.facts, **self._amounts(genotype)})
        run.let_go()
        if outcome.genotype is not None:
            file, genotype = self._write_candidate(run, outcome.genotype)
            halves = self.halves.validation_plain, self.halves.train_plain
            final = final_accuracies(run.supernet, genotype, relaxed, *halves, self.task, self.group)
            self._add_candidate(
                run, file, True, {**final.to_dict(), **outcome.facts, **self._amounts(genotype)}
            )
        run.end()

    def _amounts(self, genotype: Genotype) -> dict[str, Any]:
        return {} if self.budget is None else {"amounts": self.budget.amounts(genotype)}

    def _write_candidate(self, run: PhaseRun, genotype: Genotype, mark: str = "") -> tuple[str, Genotype]:
        """Write a genotype; return the name of its file, and the genotype read back from it."""
        file = f"{CANDIDATES}/{run.number + 1:02d}-{genotype.name}{mark}.json"

        def written() -> Genotype:
            path = self.folder.write(file, genotype.to_json())
            return validate(Genotype.load(path), str(path))

        return file, self.group.from_first(written)

    def _add_candidate(self, run: PhaseRun, file: str, derived: bool, facts: dict[str, Any]) -> None:
        self.candidates.append({"phase": run.phase.name, "file": file, "derived": derived, **facts})
        self.log.event(events.Candidate.from_dict(self.candidates[-1]))

    def _end(self) -> SearchResult:
        derived = [record for record in self.candidates if record["derived"]]
        candidates = [self._candidate(record) for record in derived]
        best = len(candidates) - 1
        if self.strategy.chooses == "best":
            best = max(range(len(candidates)), key=lambda i: candidates[i].accuracies.discrete)
        chosen = candidates[best]
        margin = sum(self.margins) / len(self.margins) if self.margins else None
        clear = self.group.from_first(self._decisiveness)
        table = self.keeper.keeping.table
        place = None if table is None else table.place(chosen.genotype, self.dataset.name)
        result = SearchResult(
            chosen.genotype,
            chosen.accuracies,
            tuple(candidates),
            self.strategy.chooses,
            margin,
            clear,
            place,
            self._spent(chosen.genotype, derived[best].get("measured")),
            () if clear is None else tuple(clear.remarks(self._rate, self.iterations // self.length)),
        )
        if self.keeper.keeping.writes:
            self._write_result(result, derived[best]["file"])
        return result

    def _spent(self, genotype: Genotype, measured: float | None) -> tuple[Spent, ...]:
        if self.budget is None:
            return ()
        if measured is None and self.budget.measure is not None:
            measured = self.budget.measure(genotype)
        return spent_by(genotype, self.budget, measured)

    def _write_result(self, result: SearchResult, file: str) -> None:
        self.folder.write(GENOTYPE, result.genotype.to_json())
        self.folder.write_json(CANDIDATE_INDEX, self.candidates)
        clear, place = result.decisiveness, result.table
        accuracies = result.accuracies.to_dict()
        summary = {
            "command": "search",
            "strategy": self.strategy.name,
            "data": self.dataset.name,
            "task": self.task.name,
            "accuracies": accuracies,
            "margin": result.margin,
            "decisiveness": None if clear is None else clear.to_dict(),
            "remarks": list(result.remarks),
            "candidates": len(result.candidates),
            "network": self._cost(result.genotype),
            "budget": [each.to_dict() for each in result.spent],
            **({} if place is None else {"table": place.to_dict()}),
        }
        self.log.event(events.End(genotype=file, margin=result.margin, accuracies=accuracies))
        self.folder.write_json(SUMMARY, summary)

    def _decisiveness(self) -> Decisiveness | None:
        phase, before = self.phases[-1], sum(phase.iterations for phase in self.phases[:-1])
        trained_share = self.strategy.trained_share
        return decisiveness(read_events(self.folder.path), phase, before, self._rate, trained_share)

    @property
    def _rate(self) -> float:
        """The learning rate of the architecture, 0 for methods that have none."""
        return float(getattr(self.strategy.settings, "learning_rate", 0.0))

    def _cost(self, genotype: Genotype) -> dict[str, Any]:
        """Return the cost of the network built from a genotype in the skeleton of the search."""
        cost = profile(
            genotype,
            fit_skeleton(self.space.skeleton, genotype),
            classes=self.task.outputs,
            **asdict(self.size.shape),
            auxiliary=False,
        )
        return {
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "stages": [asdict(stage) for stage in cost.stages],
        }

    def _candidate(self, record: dict[str, Any]) -> Candidate:
        accuracies = SearchAccuracies.from_dict(record, self.task)
        genotype = self.group.from_first(lambda: Genotype.load(self.folder.path / record["file"]))
        return Candidate(record["phase"], genotype, accuracies, record.get("origin"))
