"""CPU threads of runs in Python: chosen for a run, and given back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import autodas
from autodas.errors import AutodasError
from autodas.loop import FOR_A_THREAD
from autodas.loop._threads import Threads


@pytest.fixture(autouse=True)
def three() -> Iterator[None]:
    """Torch has three threads, as on a processor of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("threads", "work", "expected"),
    [
        (None, 1, 3),
        (2, 1, 2),
        (5, 1, 5),
        ("auto", 1, 1),
        ("auto", 2 * FOR_A_THREAD, 2),
        ("auto", 9 * FOR_A_THREAD, 3),
    ],
)
def test_threads_inside_and_behind(threads: Threads, work: int, expected: int) -> None:
    found = []

    def fail() -> None:
        with autodas.Compute(threads=threads).threaded(lambda: work):
            found.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert found == [expected]
    assert torch.get_num_threads() == 3


def test_none_is_too_few() -> None:
    with pytest.raises(AutodasError, match="threads=0 must be at least 1"):
        autodas.Compute(threads=0)


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "expected"), [(None, 3), ("auto", 1), (2, 2)])
def test_a_search_and_a_training_compute_with_them(threads: Threads, expected: int, tmp_path: Path) -> None:
    data = autodas.open_dataset("digits", subset=60)
    space, compute = (
        autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8),
        autodas.Compute(threads=threads),
    )
    keeping = autodas.Keeping(autodas.RunFolder(tmp_path / "search").create(), tensorboard=False, quiet=True)
    search = autodas.Search(data, space, "das", keeping=keeping, epochs=1, batch_size=16, compute=compute)
    assert torch.get_num_threads() == 3
    genotype = search.run().genotype
    assert torch.get_num_threads() == 3
    keeping = autodas.Keeping(autodas.RunFolder(tmp_path / "train").create(), tensorboard=False, quiet=True)
    blueprint = autodas.CellBlueprint(genotype, space.skeleton)
    autodas.Training(blueprint, data, keeping=keeping, epochs=1, batch_size=16, compute=compute).run()
    assert torch.get_num_threads() == 3
    for run in ("search", "train"):
        facts = json.loads((tmp_path / run / "environment.json").read_text())
        assert facts["threads"] == expected
