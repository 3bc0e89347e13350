"""What a search writes down, and what it must not touch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.narrow_spaces import narrow, small

import autodas
from autodas.data import Images, Loader
from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.search import Search, supernet_multiply_adds
from autodas.search._accuracies import evaluate_mixture
from autodas.search._halves import Halves
from autodas.spaces import all_alive
from autodas.strategies import strategy_names
from autodas.supernet import CellMixture, genotype_mixture

pytestmark = pytest.mark.slow

SPACE = small(autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8))
SPACES = {
    "pcdarts": SPACE.with_size(C2=16),  # for a quarter of the channels
    "pdarts": narrow(autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8)),  # drops operations
}


# H-DAS has two levels, with a test of its own.
METHODS = [name for name in strategy_names() if name not in ("sdas", "hdas")]


def run_search(
    folder: Path,
    name: str,
    epochs: int = 3,
    space: autodas.Space = SPACE,
    settings=None,
    compute=None,
    **options,
):
    dataset = autodas.open_dataset("digits", subset=100)
    settings = settings or ({"candidates": 3} if name == "random" else {"learning_rate": 0.05})
    choice = autodas.choose_strategy(name, **settings)
    search = Search(
        dataset,
        space,
        choice,
        keeping=autodas.Keeping(autodas.RunFolder(folder).create(), tensorboard=False, quiet=True),
        epochs=epochs,
        batch_size=16,
        # The estimate of the memory has tests of its own, and takes as long as some iterations.
        compute=compute or autodas.Compute(check_memory=False),
        **options,
    )
    return search, search.run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple]:
    """A search of each method, run once for all tests that only look at it: folder, search, result."""
    done: dict[str, tuple] = {}

    def run(name: str) -> tuple:
        if name not in done:
            torch.set_num_threads(1)
            folder = tmp_path_factory.mktemp(name) / "run"
            done[name] = (folder, *run_search(folder, name, space=SPACES.get(name, SPACE)))
        return done[name]

    return run


def events_of(folder: Path, name: str) -> list[dict]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == name]


@pytest.mark.parametrize("name", METHODS)
def test_four_accuracies(name: str, finished: Callable[[str], tuple]) -> None:
    folder, search, result = finished(name)
    found = result.accuracies
    assert found.rebuilt_equal, "the rebuilt network's logits equal the reference supernet's to the bit"
    assert found.rebuilt == found.discrete
    assert found.count == len(search.halves.indices["validation"]) == 50
    if name == "random":
        # A discrete network all along: nothing is lost by derivation.
        assert found.relaxed == found.discrete
        assert len(result.candidates) == 3
        assert found.discrete == max(c.accuracies.discrete for c in result.candidates)
        assert len(list((folder / "candidates").glob("*random*.json"))) == 3
        assert result.margin is None
    else:
        assert 0 < result.margin < 1
    assert autodas.load_genotype(folder) == result.genotype
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["accuracies"] == found.to_dict()
    network = autodas.networks.build(
        result.genotype, search.space.skeleton, classes=10, channels=1, image_size=8
    )
    assert summary["network"]["parameters"] == sum(p.numel() for p in network.parameters())
    assert summary["network"]["parameters"] == sum(s["parameters"] for s in summary["network"]["stages"])
    assert all(event["volatile"]["memory_bytes"] > 2**24 for event in events_of(folder, "epoch"))


def test_candidates_of_progressive_search(tmp_path: Path) -> None:
    """All architectures are files, each with its stage, its skips and its score."""
    space, wild = SPACES["pdarts"].with_size(K=1), {"initial_std": 1.0}
    search, result = run_search(tmp_path / "run", "pdarts", epochs=1, space=space, settings=wild)
    assert [p.space.skeleton.K for p in search.phases] == [1, 3, 5]
    found = events_of(tmp_path / "run", "candidate")
    first, second, *records = [{k: v for k, v in record.items() if k != "event"} for record in found]
    assert [c["phase"] for c in (first, second, *records)] == ["stage 1", "stage 2"] + ["stage 3"] * len(
        records
    )
    assert [c["stage"] for c in (first, second, *records)] == [1, 2] + [3] * len(records)
    assert [c["derived"] for c in (first, second, *records)] == [False] * (len(records) + 1) + [True]
    assert json.loads((tmp_path / "run/candidates/index.json").read_text()) == [first, second, *records]
    candidate = records[-1]
    assert len(records) > 1
    assert sorted(limit for record in records for limit in record["limits"]) == list(range(9))
    for record in (first, second, *records):
        genotype = autodas.Genotype.load(tmp_path / "run" / record["file"])
        skips = sum(e.operation == "skip_connect" for _, e in genotype.cells["normal"].edges())
        assert record["skips"] == {"normal": skips}
        assert skips <= min(record["limits"])
        assert record["score"] > 0
    assert 2 in candidate["limits"]
    assert [len(result.candidates), result.genotype] == [1, result.candidates[0].genotype]
    assert len(list((tmp_path / "run/candidates").glob("*-pdarts*.json"))) == 2 + len(records)


def test_candidates_are_judged_with_statistics_of_their_own(tmp_path: Path) -> None:
    """P-DARTS has up to nine; the statistics of the supernet are those of sums of all operations."""
    settings = {"initial_std": 1.0, "learning_rate": 0.1}
    search, _ = run_search(tmp_path / "run", "pdarts", epochs=6, space=SPACES["pdarts"], settings=settings)
    records = events_of(tmp_path / "run", "candidate")
    assert all({"discrete", "reestimated"} <= record.keys() for record in records)
    assert any(record["reestimated"] != record["discrete"] for record in records if not record["derived"])
    # The result itself is judged with the statistics of the search, which are left as they were.
    state = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["state"]["run"]["supernet"]
    supernet = autodas.Supernet(search.phases[-1].space, channels=1)
    supernet.prune(search.strategy.alive())
    supernet.load_tensors({name: tensor for name, tensor in state.items() if name in supernet.state_dict()})
    genotype = autodas.load_genotype(tmp_path / "run")
    mixture = genotype_mixture(genotype, SPACES["pdarts"].cell, "cpu")
    score = evaluate_mixture(supernet, mixture, search.halves.validation_plain, search.task).score
    assert score == records[-1]["discrete"]


def test_relaxed_and_discrete_are_of_the_same_parameters(tmp_path: Path) -> None:
    """H-DAS derives from its best epoch: the accuracy before derivation is with those parameters, too."""
    settings = {"level": "cells", "learning_rate": 0.3}
    search, result = run_search(tmp_path / "run", "hdas", epochs=6, space=SPACE, settings=settings)
    best = search.strategy.best
    assert best["epoch"] < 6, "the weights have been trained since the best epoch"
    state = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["state"]
    supernet = autodas.Supernet(SPACE, channels=1)
    supernet.load_tensors(state["run"]["supernet"])
    mixture = {
        kind: CellMixture(torch.stack(list(edges.values())).softmax(-1), all_alive(SPACE.cell))
        for kind, edges in best["alpha"].items()
    }
    score = evaluate_mixture(supernet, mixture, search.halves.validation_plain, search.task).score
    assert result.accuracies.relaxed == pytest.approx(score)


def test_statistics_are_estimated_on_batches_of_all_classes(tmp_path: Path) -> None:
    """Both halves are ordered by class: in their order the first batches would hold one class."""
    rng = np.random.default_rng(0)
    for number in range(80):
        folder = tmp_path / f"set/{'ab'[number // 40]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    dataset = autodas.open_dataset(f"imagefolder:{tmp_path / 'set'}", image_size=8)
    halves = Halves(dataset, 16, dataset.default_augmentation, 0, autodas.Compute())
    for loader in (halves.train_plain, halves.train_few):
        batches = [sorted(set(batch.labels.tolist())) for batch in loader.batches(0)]
        assert batches == [[0, 1]] * 2
    assert halves.last_batch == max(len(half) % 16 for half in halves.indices.values()) > 1
    larger = Halves(dataset, 16, dataset.default_augmentation, 0, autodas.Compute(), evaluated=32)
    assert (halves.validation_plain.batch_size, larger.validation_plain.batch_size) == (16, 32)
    # Statistics of a batch depend on its size.
    assert larger.train_plain.batch_size == 16
    images = torch.cat([batch.images for batch in halves.train_plain.batches(0)])
    assert len(images.flatten(1).unique(dim=0)) == len(halves.indices["train"])


def test_a_clamped_search_loses_nothing_in_derivation(finished: Callable[[str], tuple]) -> None:
    """EDAS: the last weights, under what is derived, are the supernet's under what was clamped."""
    folder, search, result = finished("edas")
    state = torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]
    supernet = autodas.Supernet(SPACE, channels=1)
    supernet.load_tensors(state["run"]["supernet"])
    settings = autodas.choose_strategy("edas", learning_rate=0.05).settings
    again = type(search.strategy)(settings, search.strategy.plan)
    again.start(0, "cpu")
    again.load_state_dict(state["run"]["strategy"])
    validation = search.halves.validation_plain
    clamped = evaluate_mixture(supernet, again.clamped_mixture(), validation, search.task)
    assert clamped.score == result.accuracies.discrete


def test_discrete_accuracy_is_that_of_the_checkpoint_under_the_genotype(
    finished: Callable[[str], tuple],
) -> None:
    folder, search, result = finished("das")
    state = torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]
    supernet = autodas.Supernet(SPACE, channels=1)
    supernet.load_tensors(state["run"]["supernet"])
    mixture = genotype_mixture(result.genotype, SPACE.cell)
    found = evaluate_mixture(supernet, mixture, search.halves.validation_plain, search.task)
    assert found.score == result.accuracies.discrete


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("sdas-a", "cifar-darts"),
        ("das", "cifar-darts"),
        ("pdarts", "cifar-darts"),
        ("sdas-a", "cifar-snas"),
        ("snas", "cifar-snas"),
        ("edas", "cifar-snas"),
    ],
)
def test_other_spaces(name: str, space: str, tmp_path: Path) -> None:
    size = narrow(autodas.get_space(space).with_size(K=0, C1=4, C2=8))
    _, result = run_search(tmp_path / "run", name, epochs=1, space=size)
    size.validate(result.genotype)
    assert result.accuracies.rebuilt_equal


@pytest.mark.parametrize(
    ("name", "engine"),
    [("das", "fused"), ("das", "reference"), ("sdas-c", "reference"), ("random", "fused")],
)
def test_partial_channels(name: str, engine: str, tmp_path: Path) -> None:
    space, supernet = SPACE, autodas.SupernetSettings(engine, partial_channels=2)
    search, result = run_search(tmp_path / "run", name, epochs=1, supernet=supernet)
    found = result.accuracies
    assert found.rebuilt_equal, "the rebuilt network's logits equal the reference supernet's to the bit"
    assert found.rebuilt == found.discrete
    space.validate(result.genotype)
    state = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["state"]["run"]["supernet"]
    width = space.skeleton.width * 2  # of the first cell, a reduction
    edges = {t.shape[0] for name, t in state.items() if name.startswith("cells.0.edges.")}
    assert edges <= {width // 2, width // 4}  # (halves of a strided skip connection)
    assert search.strategy.plan.multiply_adds(search.phases[0].alive) < 0.75 * supernet_multiply_adds(
        space, search.phases[0].alive, task=Classification(10), shape=InputShape(1, 8)
    )


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_checkpointed_cells_change_nothing(engine: str, tmp_path: Path) -> None:
    for name, checkpoint in (("kept", False), ("again", True)):
        supernet = autodas.SupernetSettings(engine, checkpoint=checkpoint)
        run_search(tmp_path / name, "sdas-a", epochs=1, supernet=supernet)
    states = [
        torch.load(tmp_path / name / "checkpoints/last.pt", weights_only=True)["state"]["run"]
        for name in ("kept", "again")
    ]
    assert states[0]["supernet"].keys() == states[1]["supernet"].keys()
    for name, tensor in states[0]["supernet"].items():
        assert torch.equal(tensor, states[1]["supernet"][name]), name
    logs = [(tmp_path / name / "metrics.csv").read_text() for name in ("kept", "again")]
    assert logs[0] == logs[1]


def test_evaluations_take_no_more_pictures_at_once_than_steps(tmp_path: Path) -> None:
    search, _ = run_search(
        tmp_path / "run", "sdas-a", epochs=1, compute=autodas.Compute(micro_batches=4, check_memory=False)
    )
    loaders = (search.halves.train_plain, search.halves.validation_plain, search.halves.validation_few)
    assert [loader.batch_size for loader in loaders] == [4, 4, 4]


def test_trace_of_decisions(tmp_path: Path) -> None:
    _, result = run_search(tmp_path / "run", "sdas-a", epochs=5)
    decisions = events_of(tmp_path / "run", "decision")
    assert [d["step"] for d in decisions] == list(range(1, SPACE.steps + 1))
    remaining = [d["remaining"] for d in decisions]
    assert remaining == sorted(remaining, reverse=True)
    assert (remaining[0], remaining[-1]) != (1, 0)
    assert remaining[-1] == 1
    assert all(0 <= d["priority"] <= 1 for d in decisions)
    edges = {tuple(d["edge"]): d["operation"] for d in decisions if d["what"] == "edge"}
    kept = {d["state"]: d["kept"] for d in decisions if d["what"] == "node"}
    cell = result.genotype.cells["reduction"]
    for i, node in enumerate(cell.nodes):
        state = 2 + i
        assert {e.predecessor: e.operation for e in node} == {
            p: edges[p, state] for p in kept.get(state, range(state))
        }
    late = events_of(tmp_path / "run", "late_decisions")
    assert sorted(step for event in late for step in event["steps"]) == list(range(1, SPACE.steps + 1))
    margins = [d["priority"] for d in decisions if d["what"] == "edge"]
    assert result.margin == pytest.approx(sum(margins) / len(margins))


def test_decisions_between_warm_up_and_settling(tmp_path: Path) -> None:
    """None in the first fifth and the last 40 %, in which the weights of what was found are trained on."""
    settings = {"schedule": "c", "warmup": 0.2, "settle": 0.4, "weights_only": 0.1, "learning_rate": 0.05}
    search, result = run_search(tmp_path / "run", "sdas", epochs=5, space=SPACE, settings=settings)
    assert search.iterations == 20
    decided = [d["iteration"] for d in events_of(tmp_path / "run", "decision")]
    assert 4 < min(decided) <= 6
    assert max(decided) == 12
    last = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["state"]["run"]
    assert last["architecture_optimiser"] is None
    # Nothing is derived: the relaxed network has been the discrete one for two fifths of the search.
    assert result.accuracies.relaxed == result.accuracies.discrete


def test_das_decides_everything_at_the_end(finished: Callable[[str], tuple]) -> None:
    folder, search, _ = finished("das")
    decisions = events_of(folder, "decision")
    assert len(decisions) == SPACE.steps
    assert {d["iteration"] for d in decisions} == {search.iterations}
    epochs = events_of(folder, "epoch")
    assert [e["remaining"] for e in epochs] == [SPACE.architectures] * 3


def test_test_pictures_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = autodas.open_dataset("digits", subset=60)
    read: list[Images] = []
    make = Loader.__init__

    def watched(self: Loader, images: Images, *arguments: object, **options: object) -> None:
        read.append(images)
        make(self, images, *arguments, **options)

    monkeypatch.setattr(Loader, "__init__", watched)
    choice = autodas.choose_strategy("das")
    folder = autodas.RunFolder(tmp_path / "run").create()
    Search(dataset, SPACE, choice, keeping=autodas.Keeping(folder, quiet=True), epochs=1, batch_size=16).run()
    assert read
    assert all(images is dataset.train for images in read)


def test_halves_are_disjoint_stratified_and_saved(finished: Callable[[str], tuple]) -> None:
    folder, search, _ = finished("das")
    split = json.loads((folder / "split.json").read_text())
    train, validation = np.array(split["train"]), np.array(split["validation"])
    assert not set(train) & set(validation)
    labels = search.dataset.train.labels
    assert len(train) + len(validation) == len(labels) == 100
    counts = [np.bincount(labels[half], minlength=10) for half in (train, validation)]
    assert (abs(counts[0] - counts[1]) <= 1).all()


def test_bf16_stays_close_and_finite(tmp_path: Path) -> None:
    _, result = run_search(
        tmp_path / "run", "sdas-a", epochs=1, compute=autodas.Compute(precision="bf16", check_memory=False)
    )
    assert result.accuracies.rebuilt_equal
    epoch = events_of(tmp_path / "run", "epoch")[0]
    exact, _ = run_search(tmp_path / "exact", "sdas-a", epochs=1)
    assert exact is not None
    other = events_of(tmp_path / "exact", "epoch")[0]
    assert epoch["train_loss"] == pytest.approx(other["train_loss"], rel=0.05)


def test_the_log_says_where_nothing_is_decided(tmp_path: Path) -> None:
    """A quarter of twelve iterations at either end."""
    settings = {"schedule": "a", "warmup": 0.25, "settle": 0.25, "weights_only": 0.1}
    run_search(tmp_path / "run", "sdas", settings=settings)
    (phase,) = events_of(tmp_path / "run", "start")[0]["phases"]
    assert phase["iterations"] == 12
    assert [phase[part] for part in ("weights_only", "warmup", "settle")] == [1, 3, 3]
    decided = {event["iteration"] for event in events_of(tmp_path / "run", "decision")}
    assert min(decided) > 3
    assert max(decided) == 9
    run_search(tmp_path / "das", "das", epochs=1)
    assert events_of(tmp_path / "das", "start")[0]["phases"][0].keys() == {
        "name",
        "iterations",
        "cell",
        "kinds",
        "nodes",
    }
