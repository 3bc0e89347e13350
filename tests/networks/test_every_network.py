"""What every network passes: the whole zoo and random genotypes, on the two skeletons in turn."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
from itertools import cycle

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import Network, build, count_parameters
from autodas.spaces import Skeleton, get_cell_space, get_skeleton
from autodas.zoo import load_zoo, zoo_names

pytestmark = pytest.mark.slow

CLASSES = 7
SMALL = {"cifar": 8, "imagenet": 33}
"""Sides of the pictures of most tests."""
WITH_HEAD = {"cifar": 17, "imagenet": 129}
"""Smallest sides whose maps, a 4th and a 32nd of them rounded up, are 5x5: the auxiliary head is there."""


def skeleton_of(name: str) -> Skeleton:
    return get_skeleton(name).with_size(1, 8, 16)


def family(network: Network) -> str:
    """``cifar`` or ``imagenet``, also where stage graphs wire the cells."""
    return network.skeleton.name.partition("_")[0]


def random_genotype(space: str, seed: int) -> Genotype:
    cell, rng = get_cell_space(space), random.Random(seed)

    def draw() -> CellGenotype:
        nodes = []
        for state in cell.states:
            count = rng.randint(0, state) if cell.kept == "any" else cell.kept_edges(state)
            predecessors = sorted(rng.sample(cell.predecessors(state), count))
            nodes.append(tuple(Edge(rng.choice(cell.choices), p) for p in predecessors))
        return CellGenotype(tuple(nodes), tuple(cell.states))

    return Genotype({"normal": draw(), "reduction": draw()}, f"{space}-{seed}", space)


def genotype_of(name: str) -> Genotype:
    space, _, seed = name.partition("-")
    return random_genotype(space, int(seed)) if seed else load_zoo(name)


NAMES = [*zoo_names(), "darts-1", "darts-2", "snas-3"]
PLACES = list(zip(NAMES, cycle(SMALL)))


def pictures(network: Network, count: int = 4, side: int | None = None) -> Tensor:
    side = side or SMALL[family(network)]
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def used(network: Network) -> set[str]:
    """Names of the modules that the output depends on: walked backwards from the classifier."""
    if network.skeleton.graphs:  # in the published ones everything is connected
        return {"stem.", "cells.", "classifier.", "auxiliary."}
    cells = list(network.skeleton.slots())
    names: set[str] = set()
    read = {len(cells) - 1}
    for slot in reversed(cells):
        if slot.index not in read:
            continue
        cell = network.genotype.cells[slot.kind]
        states = set(cell.concat)
        for node in reversed(range(len(cell.nodes))):
            if 2 + node in states:
                states |= {e.predecessor for e in cell.nodes[node] if e.operation != "none"}
                names.add(f"cells.{slot.index}.nodes.{node}.")
        for state, distance in ((0, 2), (1, 1)):
            if state in states:
                names.add(f"cells.{slot.index}.preprocess{state}.")
                read.add(slot.index - distance)
    return names | {"stem.", "classifier.", "auxiliary."}


def fed_with_zeros(network: Network) -> set[str]:
    """Names of the operations that read a node without edges: their weights have nothing to learn from."""
    names = set()
    for slot in network.skeleton.slots():
        zeros: set[int] = set()
        for i, node in enumerate(network.genotype.cells[slot.kind].nodes):
            edges = sorted((e for e in node if e.operation != "none"), key=lambda e: e.predecessor)
            silent = [position for position, e in enumerate(edges) if e.predecessor in zeros]
            names |= {f"cells.{slot.index}.nodes.{i}.{position}." for position in silent}
            if len(silent) == len(edges):
                zeros.add(2 + i)
    return names


@pytest.fixture(scope="module", params=PLACES, ids=[f"{name}-{skeleton}" for name, skeleton in PLACES])
def network(request: pytest.FixtureRequest) -> Network:
    name, skeleton = request.param
    torch.manual_seed(0)
    made = build(
        genotype_of(name),
        skeleton_of(skeleton),
        classes=CLASSES,
        auxiliary=True,
        image_size=WITH_HEAD[skeleton],
    )
    made.train()
    with torch.no_grad():  # statistics that are not those of a new network
        made.forward_with_auxiliary(pictures(made, side=WITH_HEAD[skeleton]))
    return made


class TestEveryNetwork:
    @pytest.fixture(autouse=True)
    def evaluating(self, network: Network) -> None:
        network.eval()
        network.set_drop_path(0.0)
        network.zero_grad()

    @torch.no_grad()
    def test_logits(self, network: Network) -> None:
        for count in (1, 3):
            logits = network(pictures(network, count))
            assert logits.shape == (count, CLASSES)
            assert logits.isfinite().all()
        assert logits.std() > 0

    @pytest.mark.parametrize(("height", "width"), [(9, 13), (7, 4), (1, 1)])
    @torch.no_grad()
    def test_odd_images(self, network: Network, height: int, width: int) -> None:
        scale = SMALL[family(network)] // 8
        logits = network(torch.randn(2, 3, height * scale - (scale > 1), width * scale))
        assert logits.shape == (2, CLASSES)
        assert logits.isfinite().all()

    @torch.no_grad()
    def test_state_dict_round_trip(self, network: Network) -> None:
        x = pictures(network)
        other = build(
            network.genotype,
            network.skeleton,
            classes=CLASSES,
            auxiliary=True,
            image_size=WITH_HEAD[family(network)],
        ).eval()
        assert not torch.equal(other(x), network(x))
        # A plain dictionary, as safetensors gives it back: without the metadata of torch.
        other.load_state_dict({k: v.clone() for k, v in network.state_dict().items()})
        assert torch.equal(other(x), network(x))

    def test_every_parameter_learns(self, network: Network) -> None:
        # Of so many edges as stage graphs have, drop path leaves some out for all four pictures.
        network.train().set_drop_path(0.0 if network.skeleton.graphs else 0.2)
        side = WITH_HEAD[family(network)]
        logits, auxiliary = network.forward_with_auxiliary(pictures(network, side=side))
        assert auxiliary is not None
        assert auxiliary.shape == (4, CLASSES)
        labels = torch.tensor([0, 1, 2, 3])
        (F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)).backward()
        connected, silent = tuple(used(network)), tuple(fed_with_zeros(network))
        for name, parameter in network.named_parameters():
            if not name.startswith(connected):
                assert parameter.grad is None, name
                continue
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert bool(parameter.grad.abs().max() > 0) or name.startswith(silent), name

    @torch.no_grad()
    def test_evaluation_is_deterministic(self, network: Network) -> None:
        network.set_drop_path(0.5)
        x = pictures(network)
        before = {k: v.clone() for k, v in network.state_dict().items()}
        first, second = network(x), network(x)
        assert torch.equal(first, second)
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())

    @torch.no_grad()
    def test_each_picture_stands_for_itself(self, network: Network) -> None:
        x = pictures(network)
        logits = network(x)
        order = torch.tensor([2, 0, 3, 1])
        torch.testing.assert_close(network(x[order]), logits[order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(x[:1]), logits[:1], rtol=1e-4, atol=1e-5)

    @torch.no_grad()
    def test_the_auxiliary_head_does_not_change_the_logits(self, network: Network) -> None:
        x = pictures(network, 2, WITH_HEAD[family(network)])
        logits, auxiliary = network.forward_with_auxiliary(x)
        assert torch.equal(logits, network(x))
        assert auxiliary is not None
        assert not torch.equal(logits, auxiliary)

    @torch.no_grad()
    def test_copies(self, network: Network) -> None:
        x = pictures(network)
        logits = network(x)
        # Copying goes through the same methods as pickling; one of them for each skeleton saves time.
        cifar = family(network) == "cifar"
        other = pickle.loads(pickle.dumps(network)) if cifar else copy.deepcopy(network)
        assert torch.equal(other(x), logits)
        assert other.genotype == network.genotype
        own = {p.data_ptr() for p in network.parameters()}
        assert own.isdisjoint(p.data_ptr() for p in other.parameters())

    def test_channels_are_last_in_memory(self, network: Network) -> None:
        # Strides, not is_contiguous: for windows of one channel (depthwise) that is true of both orders.
        for name, p in network.named_parameters():
            if p.dim() == 4:
                expected = torch.empty(p.shape, memory_format=torch.channels_last).stride()
                assert p.stride() == expected, name

    def test_a_search_form_has_the_same_convolutions(self, network: Network) -> None:
        # Networks in search form differ in the scales and shifts of normalisation only.
        search = build(network.genotype, network.skeleton, classes=CLASSES, form="search")
        learned = {k: v.shape for k, v in search.named_parameters()}
        trained = {k: v.shape for k, v in network.named_parameters() if not k.startswith("auxiliary.")}
        assert learned.items() <= trained.items()
        scales = [k for k in trained if k not in learned]
        assert all(len(trained[k]) == 1 and k.startswith("cells.") for k in scales)
        # The cells of stage graphs are given, and normalised as in training.
        scaled = [k for k, v in learned.items() if len(v) == 1 and k.startswith("cells.")]
        assert all(".inner." in k or k.startswith(("cells.1.", "cells.3.")) for k in scaled)
        assert bool(scaled) == network.skeleton.graphs
        with torch.no_grad():
            assert search(pictures(network)).shape == (4, CLASSES)


def test_the_disconnected_inputs_of_snas_aggressive() -> None:
    # Its reduction cell reads state 0 only (Xie et al., 2019: "none" on all edges from state 1), so what
    # brings state 1 to width never learns. In all other networks of the zoo everything is connected.
    for name in zoo_names():
        network = build(load_zoo(name), skeleton_of("cifar"))
        connected = tuple(used(network))
        idle = {n.split(".norm")[0].split(".conv")[0] for n, _ in network.named_parameters()} - {
            n.split(".norm")[0].split(".conv")[0]
            for n, _ in network.named_parameters()
            if n.startswith(connected)
        }
        expected = {"cells.1.preprocess1", "cells.3.preprocess1"} if name == "snas_aggressive" else set()
        assert idle == expected, name


@pytest.mark.parametrize("name", ["cifar", "imagenet"])
@torch.no_grad()
def test_other_channels_and_classes(name: str) -> None:
    network = build(load_zoo("darts_v2"), skeleton_of(name), classes=3, channels=1)
    assert network(torch.randn(2, 1, SMALL[name], SMALL[name])).shape == (2, 3)
    three = build(load_zoo("darts_v2"), skeleton_of(name), classes=3)
    width = 8  # the first convolution has C1 channels and 3x3 windows
    assert count_parameters(three) - count_parameters(network) == 2 * 9 * width


@torch.no_grad()
def test_a_stage_without_normal_cells() -> None:
    network = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(0, 8, 16))
    assert [cell.slot.kind for cell in network.cells] == ["reduction", "reduction"]
    assert network(torch.randn(2, 3, 5, 5)).shape == (2, 10)


def test_networks_need_nothing_of_the_search() -> None:
    script = (
        "import sys, torch\n"
        "from autodas.networks import build\n"
        "from autodas.spaces import get_skeleton\n"
        "from autodas.zoo import load_zoo\n"
        "network = build(load_zoo('darts_v2'), get_skeleton('cifar').with_size(0, 8, 16))\n"
        "network(torch.randn(2, 3, 8, 8))\n"
        "print(' '.join(m for m in sys.modules if m.startswith('autodas.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    rooms = {module.split(".")[1] for module in done.stdout.split()}
    ground = {"_version", "benchmark_string", "cache_folder", "errors", "genotype", "limits", "notebook"}
    ground |= {"reading", "user_code", "writing"}
    assert rooms == ground | {"kernels", "networks", "operations", "runs", "spaces", "zoo"}
