"""How much memory a search needs: the estimate, the check before the start, and memory that runs out."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow, small

import autodas
from autodas.cli._allocator import tuned
from autodas.errors import AutodasError
from autodas.loop import Group, InputShape
from autodas.loop.tasks import Classification
from autodas.search import SearchSize
from autodas.search._memory import CODE, MODULE, SLACK, in_words
from autodas.strategies import choose_strategy

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "memory_estimate.py"


WIDE = autodas.get_space("cifar-o2d").with_size(K=0, C1=8, C2=32)
SPACE, VIDEO = narrow(WIDE), narrow(autodas.get_space("video-oadv").with_size(K=0, C1=8, C2=32))
# For what does not depend on the operations.
SMALL = small(WIDE)
SMALL_VIDEO = VIDEO.with_operations(("skip_connect", "max_pool_3x3x3", "sep3d_conv_3x3x3", "channel_scale"))


def size(strategy: str = "das", **changes: object) -> SearchSize:
    """Return a size with some changes, whichever of its parts they belong to."""
    whole = SearchSize(SPACE, choose_strategy(strategy), Classification(10), InputShape(3, 16), batch_size=16)
    for name, value in changes.items():
        if name in SearchSize.__dataclass_fields__ and name != "supernet":
            whole = replace(whole, **{name: value})
            continue
        (part,) = [p for p in ("shape", "supernet", "compute") if hasattr(getattr(whole, p), name)]
        whole = replace(whole, **{part: replace(getattr(whole, part), **{name: value})})
    return whole


class Three(Group):
    size = 3


class TestEstimate:
    def test_is_that_of_each_process(self) -> None:
        shared, own = size(batch_size=16, group=Three()), size(batch_size=6)
        assert shared.estimate() == own.estimate(), "two have five samples, one has six"
        assert shared.evaluated_at_once == 5
        assert "in each of 3 processes" in shared.advice()
        # Two samples for each part.
        assert "`micro_batches=2`" in shared.smaller()

    @pytest.mark.parametrize("engine", ["reference", "fused"])
    def test_grows_with_the_pictures(self, engine: str) -> None:
        found = [size(engine=engine, space=SMALL, batch_size=b).estimate().tensors for b in (8, 16, 24)]
        # Everything but weights and what belongs to them is proportional to the batch.
        assert found[2] - found[1] == pytest.approx(found[1] - found[0], rel=0.02)
        weights = sum(p.numel() for p in autodas.Supernet(SMALL).parameters())
        assert 2 * found[0] - found[1] == pytest.approx(8 * weights, rel=0.5, abs=2**17)

    @pytest.mark.parametrize("engine", ["reference", "fused"])
    def test_grows_with_the_frames(self, engine: str) -> None:
        found = [
            size(engine=engine, space=SMALL_VIDEO, image_size=32, frames=f).estimate().tensors
            for f in (8, 16, 24)
        ]
        assert found[2] - found[1] == pytest.approx(found[1] - found[0], rel=0.05)
        whole = size(engine=engine, space=SMALL_VIDEO, image_size=32).estimate().tensors
        assert whole == found[1]  # 16 are the skeleton's own

    @pytest.mark.parametrize("engine", ["reference", "fused"])
    @pytest.mark.parametrize("clips", [False, True])
    def test_counts_at_least_what_autograd_keeps(self, engine: str, clips: bool) -> None:
        whole = size(engine=engine, **({"space": VIDEO, "image_size": 32} if clips else {}))
        run, noise = whole.run_of(0, torch.device("cpu"))
        images, most = noise().images, 0
        for step in ("weights", "architecture"):
            mixture = run.strategy.mixture()
            if step == "weights":
                mixture = {kind: cell.detach() for kind, cell in mixture.items()}
            for weight in run.supernet.parameters():
                weight.requires_grad_(step == "weights")
            kept: dict[int, torch.Tensor] = {}
            with torch.autograd.graph.saved_tensors_hooks(
                lambda t, kept=kept: kept.setdefault(t.untyped_storage().data_ptr(), t), lambda t: t
            ):
                run.forward(images, mixture)
            most = max(most, sum(t.untyped_storage().nbytes() for t in kept.values()))
        # The rest: gradients, momenta, batches, and what the backward pass needs for a moment.
        assert most <= whole.estimate().tensors <= 1.35 * most + 2**20

    def test_options_that_lower_it(self) -> None:
        whole = size(space=SMALL, batch_size=64)
        need = whole.estimate().tensors
        smaller = whole.smaller()
        assert list(smaller) == [
            "`micro_batches=4`",
            "`supernet.partial_channels=4`",
            "`supernet.checkpoint=true`",
        ]
        for option, other in smaller.items():
            assert other.estimate().tensors < 0.8 * need, option
        # Four parts of 16 need what batches of 16 need, but for the pictures.
        parts, small = smaller["`micro_batches=4`"].estimate(), size(space=SMALL, batch_size=16).estimate()
        assert parts.tensors == pytest.approx(small.tensors, rel=0.2)

    def test_half_precision_halves_maps_of_the_reference_engine(self) -> None:
        whole, half = (
            size(engine="reference", precision=p, batch_size=64).estimate().tensors for p in ("fp32", "bf16")
        )
        assert 0.5 < half / whole < 0.65

    @pytest.mark.parametrize(("device", "least", "most"), [("cpu", 0.95, 1.05), ("cuda", 0.5, 0.65)])
    def test_half_precision_halves_maps_of_the_fused_engine_on_gpus(
        self, device: str, least: float, most: float
    ) -> None:
        whole, half = (
            size(device=device, precision=p, batch_size=64, graphs="off").estimate().tensors
            for p in ("fp32", "bf16")
        )
        assert least <= half / whole <= most

    def test_recordings_take_memory_beside_what_is_computed_as_usual(self) -> None:
        def tensors(**changes: object) -> int:
            changes = {"space": SMALL, "batch_size": 64, "device": "cuda", "graphs": "auto", **changes}
            # Versions of torch differ by some hundred bytes between batches.
            return round(size(**changes).estimate().tensors, -4)  # type: ignore[arg-type]

        off = tensors(graphs="off")
        # Evaluations, of twice as many samples but without a backward pass.
        assert 1.5 * off < tensors() == tensors(last_batch=16) < 1.9 * off
        # A smaller last batch that is larger than they are.
        assert 1.9 * off < tensors(last_batch=62) < 2 * off
        assert tensors(graphs="off", last_batch=62) == off
        assert tensors(strategy="edas", last_batch=62) == tensors(strategy="edas")
        cpu = tensors(device="cpu")
        assert cpu == tensors(device="cpu", last_batch=62) == tensors(device="cpu", graphs="off")

    def test_samples_that_are_evaluated_at_once(self) -> None:
        assert size(batch_size=64, micro_batches=2).evaluated_at_once == 32
        assert size(batch_size=64, micro_batches=2, device="cuda").evaluated_at_once == 64
        assert size(batch_size=64, device="cuda", checkpoint=True).evaluated_at_once == 64

    def test_a_discrete_network_needs_little(self) -> None:
        needed = {name: size(name, space=WIDE).estimate().tensors for name in ("random", "das")}
        assert needed["random"] < 0.3 * needed["das"]

    def test_leaves_random_numbers_alone(self) -> None:
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        size(space=SMALL, batch_size=10).estimate()
        assert torch.equal(torch.rand(3), expected)

    def test_total(self) -> None:
        estimate = size().estimate()
        modules = sum(1 for _ in autodas.Supernet(SPACE, channels=3).modules())
        assert estimate.total == int(SLACK * estimate.tensors) + CODE + MODULE * modules
        assert str(estimate) == in_words(estimate.total)
        assert [in_words(n) for n in (3 * 2**20, 5 * 2**29)] == ["3 MiB", "2.5 GiB"]


JOBS = [
    {"K": 1, "batch_size": 16},
    {"batch_size": 8, "engine": "reference"},
    {"batch_size": 32, "partial_channels": 4},
    {"batch_size": 16, "checkpoint": True},
]

MEASURE = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import memory_estimate
from autodas.loop import import_late
import_late()
for job in json.loads(sys.argv[2]):
    memory_estimate.size_of(job)
    if os.fork() == 0:
        print(json.dumps(memory_estimate.measure(job)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""
"""Measures each job in a fork of a new process, in which all is imported and nothing has been computed."""


def whole_job(job: dict) -> dict:
    return {"K": 0, "C1": 48, "C2": 64, "image_size": 32, **job}


@pytest.fixture(scope="module")
def measured() -> list[float]:
    """MiB of each job."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(SCRIPT.parent), json.dumps([whole_job(job) for job in JOBS])],
        capture_output=True,
        text=True,
        check=True,
        env=tuned(dict(os.environ), os.confstr("CS_GNU_LIBC_VERSION") or ""),
    )
    return [float(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
@pytest.mark.parametrize("number", range(len(JOBS)), ids=lambda number: str(JOBS[number]))
def test_within_15_percent_of_what_is_measured(number: int, measured: list[float]) -> None:
    job = whole_job(JOBS[number])
    space = autodas.get_space("cifar-o2d").with_size(*(job.pop(name) for name in ("K", "C1", "C2")))
    estimate = size(space=space, **job).estimate()
    assert estimate.total / 2**20 == pytest.approx(measured[number], rel=0.15)


class TestCheck:
    def test_too_little_memory(self) -> None:
        small_size = partial(size, space=SMALL)
        need = small_size().estimate().total
        small_size().check(need)
        small_size().check(None)
        with pytest.raises(AutodasError) as caught:
            small_size().check(need - 1)
        message = str(caught.value)
        for text in (
            str(small_size().estimate()),
            in_words(need - 1),
            f"`supernet.partial_channels=4` ({small_size(partial_channels=4).estimate()})",
            f"`supernet.checkpoint=true` ({small_size(checkpoint=True).estimate()})",
            f"`micro_batches=4` ({small_size(micro_batches=4).estimate()})",
            "`batch_size` below 16",
            "`check_memory=false`",
        ):
            assert text in message

    def test_options_that_do_not_fit_are_not_offered(self) -> None:
        narrow = size(space=SMALL.with_size(C2=8), batch_size=2, checkpoint=True)
        with pytest.raises(AutodasError) as caught:
            narrow.check(0)
        assert "less with a `batch_size` below 2" in str(caught.value)


@pytest.fixture
def search_with_limit(command: type, tmp_path: Path) -> Callable[..., Any]:
    """Searches a network that is too large, in a process whose address space is limited."""

    def limit_address_space() -> None:
        (line,) = re.findall(r"^VmSize:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        limit = int(line) * 1024 + 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def run(*words: str) -> Any:
        # Much memory for little work, about 2 GiB: pools of wide maps.
        size = ["--space.K=0", "--space.C2=256", "--space.operations=max_pool_3x3,avg_pool_3x3"]
        words = ("--data=digits", "--data.image_size=32", "--batch_size=256", *size, *words)
        words = ("search", *words, "--run=run", "--quiet", "--compute.threads=1")
        process = command(tmp_path, *words, prepare=limit_address_space)
        assert process.wait() == 2, process.printed[1]
        return process

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of address space")
class TestMemoryRunsOut:
    def test_before_anything_is_written(self, search_with_limit: Callable[..., Any], tmp_path: Path) -> None:
        error = search_with_limit().printed[1]
        assert "not enough memory" in error
        assert "--supernet.checkpoint true" in error
        assert len(error.strip().splitlines()) == 1
        assert list(tmp_path.iterdir()) == []

    def test_while_it_runs(self, search_with_limit: Callable[..., Any], tmp_path: Path) -> None:
        error = search_with_limit("--check_memory=false").printed[1]
        assert "memory has run out; this search needs about" in error
        assert "--micro_batches 4" in error
        assert (tmp_path / "run/config.yaml").exists()
