"""Journal of a search: its log, and its output on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autodas.flags import with_flags
from autodas.loop import Keeper, time_of_epoch, used_memory
from autodas.loop.tasks import Task
from autodas.progress import duration
from autodas.runs import events
from autodas.runs.leaders import Leaders
from autodas.runs.phases import PARTS
from autodas.runs.reading import read_events
from autodas.search._collapse import Diagnosis, plain, summary, warning, with_history
from autodas.search._look_up import look_up
from autodas.search._phase import PhaseRun
from autodas.spaces import Space
from autodas.strategies._discretisation import Decision
from autodas.strategies.base import Phase, Strategy
from autodas.tables import METRIC


class Journal:
    """Journal of a search, which writes events and metrics and shows the progress.

    Args:
        keeper: record of the running loop.
        task: task of the network.
        phases: phases of the search.
        iterations_an_epoch: number of batches in one epoch.
        margins: priorities of the decisions on edges so far; new ones are appended.
        data: name of the data set.
    """

    def __init__(
        self,
        keeper: Keeper,
        task: Task[Any],
        phases: Sequence[Phase],
        iterations_an_epoch: int,
        margins: list[float],
        data: str,
    ) -> None:
        self.log, self.progress, self.clock = keeper.log, keeper.progress, keeper.clock
        self.processes = keeper.group.size
        self.device, self.pictures, self.table = keeper.device, keeper.keeping.pictures, keeper.keeping.table
        self.task, self.phases, self.margins = task, phases, margins
        self.length, self.data = iterations_an_epoch, data
        # The log, cut at the checkpoint of a resumed search, is all that is needed of the past.
        self.leaders = Leaders(read_events(keeper.folder.path) if keeper.keeping.writes else [])
        self.warned = False

    def begin(self, space: Space, strategy: Strategy, **facts: Any) -> None:
        """Log the setup of the search."""
        cell, skeleton = space.cell, space.skeleton
        self.log.event(
            events.Start(
                command="search",
                strategy=strategy.name,
                **facts,
                space={
                    "name": space.name,
                    "cell": cell.name,
                    "kinds": list(space.kinds),
                    "operations": list(cell.operations),
                    "K": skeleton.K,
                    "C1": skeleton.C1,
                    "C2": skeleton.C2,
                },
                phases=[
                    {
                        "name": phase.name,
                        "iterations": phase.iterations,
                        # The cell of the phase: a phase may wire whole cells that another phase searches.
                        "cell": phase.space.cell.name,
                        "kinds": list(phase.space.kinds),
                        "nodes": phase.space.cell.nodes,
                        **{part: length for part in PARTS if (length := getattr(phase, part))},
                    }
                    for phase in self.phases
                ],
                remaining=strategy.remaining(),
            )
        )

    def decisions(self, decisions: Sequence[Decision], run: PhaseRun) -> None:
        """Log decisions, in the order in which they were taken."""
        for decision in decisions:
            if decision.what == "edge":
                self.margins.append(decision.priority)
            event = events.Decision(
                step=decision.step,
                iteration=self._iteration(run),
                epoch=self._epoch(run),
                kind=decision.kind,
                what=decision.what,
                **decision.detail,
                priority=decision.priority,
                remaining=decision.remaining,
            )
            self.leaders.add(event)
            self.log.event(event)

    def late_decisions(
        self, decisions: Sequence[Decision], run: PhaseRun, *, pictures: int, before: float, after: float
    ) -> None:
        """Log the cost in accuracy of decisions that few iterations follow."""
        steps = [decision.step for decision in decisions]
        iteration = self._iteration(run)
        self.log.event(
            events.LateDecisions(
                iteration=iteration, steps=steps, pictures=pictures, before=before, after=after
            )
        )

    def architecture(self, run: PhaseRun) -> None:
        """Log the weights of the architecture."""
        weights = run.strategy.snapshot()
        self.log.event(events.Architecture(iteration=self._iteration(run), weights=weights))

    def stopped(self, run: PhaseRun, kind: str, skips: int) -> None:
        """Log the early end of a phase."""
        self.log.event(events.Stopped(iteration=self._iteration(run), kind=kind, skips=skips))
        self.progress.line(
            f"stopped in epoch {self._epoch(run)}: {kind} cells would have {skips} skip connections"
        )

    def epoch(self, run: PhaseRun, diagnoses: Mapping[str, Diagnosis]) -> None:
        """Log an epoch, and reset the sums for the next one.

        Args:
            run: the phase.
            diagnoses: diagnosis of the cell kinds at its end, before the decisions of its last iteration.
        """
        space, since = run.phase.space, self._before(run) + run.phase.weights_only
        diagnoses = with_history(diagnoses, self.leaders, space.cell, since, self._iteration(run))
        # All columns from the first epoch on, also if it had no architecture step.
        metrics: dict[str, float | None] = dict.fromkeys(
            f"{step}_{name}" for step in ("train", "valid") for name in self.task.metrics
        )
        metrics |= run.train_meter.result("train_") | run.valid_meter.result("valid_")
        text = self.task.in_words(metrics)
        state = summary(diagnoses, space)
        if state["skips"] is not None:
            text += f", skips {state['skips']:.0f}"
        if state["stability"] is not None:
            text += f", stability {state['stability']:.2f}"
        metrics |= state
        if self.table is not None:
            metrics |= look_up(self.table, run.strategy, space)
            judge = self.table.column(self.data)
            if (accuracy := metrics[f"{METRIC}{judge}"]) is not None:
                text += f", {judge} {accuracy:.2f} % in the table"
        pace = self.clock.spent[0] / ((run.iteration - 1) % self.length + 1)
        left = self._left(run)
        samples = run.train_meter.count + run.valid_meter.count
        run.new_meters()
        seconds, cpu, waited = self.clock.spent
        self.clock.start()
        remaining, memory = run.strategy.remaining(), used_memory(self.device)
        failure = run.steps.recorded.failure
        event = events.Epoch(
            phase=run.phase.name,
            epoch=self._epoch(run),
            iteration=self._iteration(run),
            metrics=metrics,
            remaining=remaining,
            kinds=plain(diagnoses),
            volatile={
                "seconds": seconds,
                "cpu_seconds": cpu,
                "waiting_seconds": waited,
                "pictures_per_second": samples / max(seconds, 1e-9),
                **({} if memory is None else {"memory_bytes": memory}),
                **({} if failure is None else {"not_recorded": failure}),
            },
        )
        self.leaders.add(event)
        self.log.event(event)
        self.architecture(run)
        self.log.metrics(self._iteration(run), {**metrics, "remaining": remaining})
        self._board(run)
        self.clock.start()  # drawing figures is not part of an epoch's cost
        self.progress.line(
            f"{run.phase.name} epoch {self._epoch(run)}/{-(-run.phase.iterations // self.length)}: {text}, "
            f"architectures left {_short(remaining)}, "
            + time_of_epoch(seconds, waited, samples, self.processes)
            + (f", {duration(pace * left)} left" if left else "")
        )
        line = warning(diagnoses, space)
        if line is not None and not self.warned:
            self.warned = True
            self.log.event(events.Warned(iteration=self._iteration(run), text=line))
            self.progress.line(with_flags(line))  # a terminal

    def _board(self, run: PhaseRun) -> None:
        """Write the weights of the architecture and the cells to TensorBoard."""
        board = self.log.board
        if board is None:
            return
        for kind, tables in run.strategy.snapshot().items():
            for name, table in tables.items():
                # Decided edges have none; beta has a number for each edge, alpha a row.
                rows = [row if isinstance(row, list) else [row] for row in table if row is not None]
                values = [weight for row in rows for weight in row if weight is not None]
                board.histogram(f"{name}/{kind}", values, self._iteration(run))
        if self.pictures is None:
            return
        try:
            for kind, png in self.pictures().items():
                board.picture(f"cells/{kind}", png, self._iteration(run))
        except Exception as error:
            # A failed figure must not end a search.
            self.pictures = None
            self.progress.line(f"no figures of cells in TensorBoard: {error}")

    def show(self, run: PhaseRun) -> None:
        """Update the progress bar, if there is one and an update is due."""
        if not self.progress.due:
            return
        within = (run.iteration - 1) % self.length + 1
        pace = self.clock.spent[0] / within
        metrics = self.task.in_words(run.train_meter.result())
        text = f"{metrics}, architectures left {_short(run.strategy.remaining())}"
        self.progress.update(self._iteration(run), f"{text}, {duration(pace * self._left(run))} to go")

    def _left(self, run: PhaseRun) -> float:
        """Return the remaining work, in iterations of the current cost: the cost will fall."""
        total, points = run.phase.iterations, 20
        ahead = [run.iteration + (total - run.iteration) * (i + 0.5) / points for i in range(points)]
        now = run.strategy.expected_cost(run.iteration / total)
        mean = sum(run.strategy.expected_cost(point / total) for point in ahead) / points
        later: int = sum(phase.iterations for phase in self.phases[run.number + 1 :])
        return (total - run.iteration) * mean / now + later

    def _iteration(self, run: PhaseRun) -> int:
        """Return the iteration, counted over all phases."""
        return self._before(run) + run.iteration

    def _before(self, run: PhaseRun) -> int:
        """Return the number of iterations of earlier phases."""
        return sum(phase.iterations for phase in self.phases[: run.number])

    def _epoch(self, run: PhaseRun) -> int:
        return -(-run.iteration // self.length)


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count:.2e}"
