"""Networks measured on this machine: real runtimes, tiny networks. No test depends on how long they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autodas.costs import NetworkSetting
from autodas.devices import MeasureSettings, _turns, describe_network, measure_architectures, measure_networks
from autodas.devices._memory import peak_memory
from autodas.devices._random_network import facts_of, random_network
from autodas.devices._runtimes import forward_of, prepared
from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import HandcraftedBlueprint
from autodas.spaces import get_skeleton

SETTING = NetworkSetting(get_skeleton("cifar").with_size(0, 4, 8), 3, 8, 4)


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "TIMED", 0.01)


def genotype(operation: str) -> Genotype:
    cell = CellGenotype(((Edge(operation, 0), Edge("skip_connect", 1)),), (2,))
    return Genotype({"reduction": cell}, name=operation)


GENOTYPES = [genotype("sep_conv_3x3"), genotype("max_pool_3x3")]


def check(settings: MeasureSettings, genotypes: list[Genotype]) -> None:
    found = measure_architectures(genotypes, SETTING, settings, seconds=0.02)
    assert len(found) == len(genotypes)
    for each in found:
        assert 0 < each.low <= each.milliseconds <= each.high
        assert each.passes >= 3


def test_torch_has_the_threads_of_the_settings_and_then_its_own() -> None:
    torch.set_num_threads(2)
    seen = []
    with prepared(MeasureSettings(threads=1)):
        facts = facts_of(GENOTYPES[0], SETTING)
        network = random_network(facts)
        network.register_forward_hook(
            lambda *_: seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
        )
        forward_of(network, facts, MeasureSettings())()
    assert set(seen) == {(1, True)}
    check(MeasureSettings(threads=1), GENOTYPES)
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError), prepared(MeasureSettings(threads=1)):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2


def test_batches_and_precision_reach_the_network() -> None:
    facts = facts_of(GENOTYPES[0], SETTING)
    network, seen = random_network(facts), []
    settings = MeasureSettings(batch=5, precision="bf16")

    def note(module: object, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        seen.append(
            (tuple(inputs[0].shape), inputs[0].is_contiguous(memory_format=torch.channels_last), output.dtype)
        )

    network.register_forward_hook(note)
    forward_of(network, facts, settings)
    assert set(seen) == {((5, 3, 8, 8), True, torch.bfloat16)}


def test_onnxruntime() -> None:
    pytest.importorskip("onnxscript")
    check(MeasureSettings("onnxruntime"), GENOTYPES[1:])


@pytest.mark.slow
def test_each_network_is_compiled() -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    check(MeasureSettings("torch-compile"), GENOTYPES)
    assert counters["stats"]["unique_graphs"] == len(GENOTYPES)
    assert not counters["graph_break"]


@pytest.mark.slow
def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (str(tmp_path / "no-compiler"),))
    monkeypatch.setattr(inductor, "fx_graph_cache", False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(AutodasError, match=r"torch\.compile does not work here: .*install g\+\+"):
        measure_architectures(GENOTYPES[:1], SETTING, MeasureSettings("torch-compile"), seconds=0.02)


def test_handcrafted_networks() -> None:
    network = describe_network(
        HandcraftedBlueprint("resnet50-2d", 0.05), classes=3, channels=1, image_size=16, frames=2
    )
    (found,) = measure_networks([network], MeasureSettings(), seconds=0.02)
    assert found.milliseconds > 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_peak_memory_grows_with_the_weights() -> None:
    """A classifier of 3 million more weights needs 12 MB more."""
    many = replace(SETTING, classes=190_000)
    few, large = (
        peak_memory(facts_of(GENOTYPES[1], setting), MeasureSettings()) for setting in (SETTING, many)
    )
    assert few is not None
    assert large is not None
    facts = [facts_of(GENOTYPES[1], setting).profile().parameters for setting in (SETTING, many)]
    assert large - few == pytest.approx((facts[1] - facts[0]) * 4 / 2**20, abs=6)
