"""Run folders, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from autodas import Genotype, __version__
from autodas.spaces import count_alive, get_cell_space

SPACE = get_cell_space("o2d")
KINDS = ("normal", "reduction")
CLASSES = ("cat", "dog", "<b>&owl")


def write_events(folder: Path, events: list[dict[str, Any]]) -> None:
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def read_events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def write_common(folder: Path, command: str, settings: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(settings)
    facts = {"autodas": __version__, "command": ["autodas", command, "--run", str(folder)]}
    (folder / "environment.json").write_text(json.dumps(facts))


def write_search(folder: Path, epochs: int = 3, length: int = 34, seed: int = 0) -> Path:
    """Write the folder of an SDAS search: every edge is decided, then every node with too many of them."""
    write_common(folder, "search", f"strategy:\n  name: sdas\n  schedule: b\nseed: {seed}\n")
    random, total = Random(seed), epochs * length
    alive = {kind: [[True] * len(SPACE.operations) for _ in SPACE.edges] for kind in KINDS}
    betas: dict[str, list[float | None]] = {kind: [0.5] * len(SPACE.edges) for kind in KINDS}
    space = {"name": "cifar-o2d", "cell": "o2d", "kinds": list(KINDS), "operations": list(SPACE.operations)}
    events: list[dict[str, Any]] = [
        {"event": "start", "command": "search", "strategy": "sdas", "data": "cifar10"}
        | {"pictures": {"train": 25000, "validation": 25000}, "space": {**space, "K": 6, "C1": 16, "C2": 64}}
        | {"phases": [{"name": "search", "iterations": total}], "remaining": _remaining(alive)}
    ]
    undecided = [(kind, edge) for kind in KINDS for edge in range(len(SPACE.edges))]
    random.shuffle(undecided)
    todo: list[tuple[str, int | None, int]] = []
    for kind, number in undecided:
        todo.append((kind, number, 0))
        state = SPACE.edges[number][1]
        left = {place for k, e, _ in todo if k == kind and e is not None for place in [e]}
        if SPACE.must_choose_edges(state) and left >= set(SPACE.incoming(state)):
            todo.append((kind, None, state))
    when = {round((step + 1) * total / len(todo)): entry for step, entry in enumerate(todo)}
    step = 0
    for iteration in range(1, total + 1):
        epoch = -(-iteration // length)
        if iteration in when:
            step += 1
            kind, edge, state = when[iteration]
            detail: dict[str, Any]
            if edge is not None:
                choice = random.choice(SPACE.choices)
                alive[kind][edge] = [name == choice for name in SPACE.operations]
                detail = {"what": "edge", "edge": list(SPACE.edges[edge]), "operation": choice}
            else:
                edges = SPACE.incoming(state)
                kept = sorted(random.sample(edges, 2))
                for removed in set(edges) - set(kept):
                    alive[kind][removed] = [False] * len(SPACE.operations)
                for other in edges:
                    betas[kind][other] = None
                sources = [SPACE.edges[other][0] for other in kept]
                detail = {"what": "node", "state": state, "kept": sources}
                detail["removed"] = [SPACE.edges[other][0] for other in set(edges) - set(kept)]
            events.append(
                {"event": "decision", "step": step, "iteration": iteration, "epoch": epoch, "kind": kind}
                | {**detail, "priority": random.random(), "remaining": _remaining(alive)}
            )
        last = iteration % length == 0
        if last:
            loss = 2.3 * np.exp(-iteration / total)
            found = {"entropy": 0.9, "margin": random.random(), "skips": 2, "edges": 8}
            if epoch > 1:
                found["stability"] = 1 - epoch / 10
            events.append(
                {"event": "epoch", "phase": "search", "epoch": epoch, "iteration": iteration}
                | {"train_loss": loss, "train_top1": 100 - 20 * loss, "train_top5": 99.0}
                | {"valid_loss": loss + 0.1, "valid_top1": 98 - 20 * loss, "valid_top5": 98.0}
                | {"remaining": _remaining(alive), "kinds": dict.fromkeys(KINDS, found)}
                | {"volatile": {"seconds": 60.0, "cpu_seconds": 110.0, "memory_bytes": 2**30}}
            )
        if last or iteration in when:
            weights = {
                kind: {
                    "alpha": [_weights(random) if sum(row) > 1 else None for row in alive[kind]],
                    "beta": [None if beta is None else round(random.random(), 6) for beta in betas[kind]],
                }
                for kind in KINDS
            }
            events.append({"event": "architecture", "iteration": iteration, "weights": weights})
    write_events(folder, events)
    cells = {}
    for kind in KINDS:
        nodes = [
            tuple(
                (SPACE.operations[alive[kind][edge].index(True)], SPACE.edges[edge][0])
                for edge in SPACE.incoming(state)
                if any(alive[kind][edge])
            )
            for state in SPACE.states
        ]
        cells[kind] = {"inputs": 2, "nodes": nodes, "concat": list(SPACE.concat)}
    text = json.dumps({"schema": 1, "name": "sdas-b", "space": "o2d", "cells": cells})
    (folder / "genotype.json").write_text(text)
    Genotype.load(folder / "genotype.json")  # it is one
    accuracies = {"relaxed": 80.0, "discrete": 70.0, "reestimated": 75.0, "rebuilt": 70.0}
    stage = {"name": "stem", "cells": 0, "parameters": 1234567, "multiply_adds": 7654321}
    (folder / "summary.json").write_text(
        json.dumps(
            {"command": "search", "accuracies": {**accuracies, "count": 100, "standard_error": 4.5}}
            | {"margin": 0.1, "network": {**stage, "stages": [stage]}}
        )
    )
    _write_metrics(folder, events)
    return folder


def write_training(
    folder: Path,
    search: Path,
    top1: float = 75.0,
    parameters: int = 1_500_000,
    settings: str = "",
    seen: dict[str, Any] | None = None,
) -> Path:
    """Write the folder of a training with four test items, one of them mistaken.

    Args:
        folder: where to.
        search: whose result it trained.
        top1: accuracy.
        parameters: of the network.
        settings: more lines of its configuration.
        seen: what its network sees, as the log says it.
    """
    write_common(folder, "train", f"genotype: {search}\nseed: 0\n{settings}")
    epochs = [
        {"event": "epoch", "epoch": n, "iteration": 10 * n, "train_loss": 1 / n, "train_top1": 90.0}
        | {"train_top5": 99.0, "volatile": {"seconds": 1.0}}
        for n in (1, 2, 3)
    ]
    start: dict[str, Any] = {"event": "start", "command": "train", "data": "cifar10", "genotype": "sdas-b"}
    if seen is not None:
        start["input"] = seen
    write_events(folder, [start, *epochs])
    (folder / "genotype.json").write_text((search / "genotype.json").read_text())
    test = {"top1": top1, "count": 4, "standard_error": 2.0}
    cost = {"parameters": parameters, "multiply_adds": 300_000_000}
    (folder / "summary.json").write_text(json.dumps({"command": "train", **cost, "test": test}))
    table = pa.table({"label": [0, 1, 2, 2], "predicted": [0, 1, 2, 0]})
    names = {"classes": "\n".join(CLASSES)}
    pq.write_table(table.replace_schema_metadata(names), folder / "predictions.parquet")
    (folder / "examples").mkdir()
    Image.new("RGB", (4, 4), "red").save(folder / "examples/000003.png")
    entry = {"file": "examples/000003.png", "index": 3, "label": CLASSES[2], "predicted": "cat"}
    (folder / "examples/index.json").write_text(json.dumps([{**entry, "probability": 0.9}]))
    _write_metrics(folder, epochs)
    return folder


def _weights(random: Random) -> list[float]:
    row = [random.random() for _ in SPACE.operations]
    return [round(weight / sum(row), 6) for weight in row]


def _remaining(alive: dict[str, list[list[bool]]]) -> int:
    return count_alive(SPACE, alive["normal"]) * count_alive(SPACE, alive["reduction"])


def _write_metrics(folder: Path, events: list[dict[str, Any]]) -> None:
    rows = [f"{e['iteration']},{e['train_loss']},{e['train_top1']}" for e in events if e["event"] == "epoch"]
    (folder / "metrics.csv").write_text("\n".join(["step,train_loss,train_top1", *rows, ""]))
