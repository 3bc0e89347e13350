"""Cells, drop path, the auxiliary head, and errors."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import AuxiliaryHead, Cell, CellInputs, auxiliary_map, build, count_parameters
from autodas.operations import TRAIN_NORMS, FactorizedReduce, ReLUConvNorm
from autodas.spaces import CellSlot, get_skeleton
from autodas.zoo import load_zoo

Nodes = Sequence[Sequence[tuple[str, int]]]
WIDTH = 4


def bare_cell(nodes: Nodes, concat: tuple[int, ...] | None = None, stride: int = 1) -> Cell:
    """A cell whose inputs reach its edges as they are."""
    genotype = CellGenotype(
        tuple(tuple(Edge(*edge) for edge in node) for node in nodes),
        concat or tuple(range(2, 2 + len(nodes))),
    )
    slot = CellSlot(0, "normal", WIDTH, (stride, stride), 0)
    cell = Cell(genotype, slot, CellInputs((WIDTH, WIDTH), (1, 1)), TRAIN_NORMS)
    cell.preprocess0 = nn.Identity()
    cell.preprocess1 = nn.Identity()
    return cell


def average(x: Tensor, stride: int = 1) -> Tensor:
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


def maximum(x: Tensor, stride: int = 1) -> Tensor:
    return F.max_pool2d(x, 3, stride, 1)


class TestCell:
    def test_a_node_sums_its_edges(self) -> None:
        a, b = torch.randn(2, 2, WIDTH, 5, 5)
        cell = bare_cell([[("avg_pool_3x3", 1), ("max_pool_3x3", 0)], [("skip_connect", 2)]])
        node = maximum(a) + average(b)
        torch.testing.assert_close(cell(a, b), torch.cat([node, node], 1))

    def test_the_output_is_the_concatenation_in_the_given_order(self) -> None:
        a, b = torch.randn(2, 2, WIDTH, 5, 5)
        nodes: Nodes = [[("max_pool_3x3", 0)], [("avg_pool_3x3", 1)], [("skip_connect", 0)]]
        cell = bare_cell(nodes, concat=(4, 2))
        assert cell.outputs == 2 * WIDTH
        torch.testing.assert_close(cell(a, b), torch.cat([a, maximum(a)], 1))

    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("stride", [1, 2])
    @pytest.mark.parametrize("empty", [[], [("none", 0)], [("none", 0), ("none", 1)]])
    def test_a_node_without_edges_is_zeros(self, training: bool, stride: int, empty: list) -> None:
        # SNAS: "none" may win every edge of a node.
        a, b = torch.randn(2, 2, WIDTH, 5, 5)
        nodes: Nodes = [[("max_pool_3x3", 0)], empty, [("avg_pool_3x3", 3), ("skip_connect", 2)]]
        y = bare_cell(nodes, stride=stride).train(training)(a, b)
        first = maximum(a, stride)
        torch.testing.assert_close(y, torch.cat([first, torch.zeros_like(first), first], 1))

    def test_two_edges_from_one_state(self) -> None:
        # NASNet: node 3 of the normal cell reads the average pool of state 0 twice.
        assert load_zoo("nasnet").cells["normal"].nodes[3] == (Edge("avg_pool_3x3", 0),) * 2
        a, b = torch.randn(2, 2, WIDTH, 5, 5)
        cell = bare_cell([[("avg_pool_3x3", 0), ("avg_pool_3x3", 0)]])
        torch.testing.assert_close(cell(a, b), 2 * average(a))
        twice = bare_cell([[("sep_conv_3x3", 0), ("sep_conv_3x3", 0)]])
        first, second = twice.nodes[0]
        assert first[0].depthwise.weight is not second[0].depthwise.weight
        torch.testing.assert_close(twice(a, b), first(a) + second(a))

    def test_only_edges_from_the_inputs_are_strided(self) -> None:
        a, b = torch.randn(2, 2, WIDTH, 6, 6)
        cell = bare_cell([[("max_pool_3x3", 0), ("avg_pool_3x3", 1)], [("avg_pool_3x3", 2)]], stride=2)
        node = maximum(a, 2) + average(b, 2)
        torch.testing.assert_close(cell(a, b), torch.cat([node, average(node)], 1))

    @pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
    def test_inputs_are_brought_to_one_width_and_size(self, stride: tuple[int, int]) -> None:
        genotype = CellGenotype(((Edge("skip_connect", 0), Edge("skip_connect", 1)),), (2,))
        slot = CellSlot(0, "normal", WIDTH, (1, 1), 0)
        cell = Cell(genotype, slot, CellInputs((6, 10), stride), TRAIN_NORMS)
        before = torch.randn(2, 6, 5 * stride[0] - 1, 7 * stride[1] - 1)
        previous = torch.randn(2, 10, *(-(-n // s) for n, s in zip(before.shape[2:], stride, strict=True)))
        # DARTS: FactorizedReduce on the first input where the cell before was a reduction.
        expected = FactorizedReduce if stride == (2, 2) else ReLUConvNorm
        assert type(cell.preprocess0) is expected
        assert type(cell.preprocess1) is ReLUConvNorm
        y = cell(before, previous)
        assert y.shape == (2, WIDTH, *previous.shape[2:])
        torch.testing.assert_close(y, cell.preprocess0(before) + cell.preprocess1(previous))


@torch.no_grad()
def test_amoebanet_concatenates_three_nodes_of_nominal_width() -> None:
    skeleton = get_skeleton("cifar").with_size(1, 8, 16)  # nodes are 4 channels wide, then 8, then 16
    genotype = load_zoo("amoebanet")
    assert genotype.cells["normal"].concat == (4, 5, 6)
    assert genotype.cells["reduction"].concat == (3, 4, 6)
    network = build(genotype, skeleton)
    outputs = list(network.run_cells(torch.randn(2, 3, 8, 8)))
    sizes = [(12, 8), (24, 4), (24, 4), (48, 2), (48, 2)]
    assert [tuple(y.shape) for y in outputs] == [(2, c, side, side) for c, side in sizes]
    assert network.classifier.in_features == 48


@torch.no_grad()
def test_features_are_averaged_over_the_last_map() -> None:
    network = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(0, 8, 16)).eval()
    x = torch.randn(2, 3, 12, 12)
    pooled = F.adaptive_avg_pool2d(network.features(x), 1).flatten(1)
    torch.testing.assert_close(network(x), network.classifier(pooled))


def strided(x: Tensor, convolution: nn.Conv2d, stride: int) -> Tensor:
    """A 3x3 convolution without bias, then normalisation by the statistics of the batch."""
    return F.batch_norm(F.conv2d(x, convolution.weight, stride=stride, padding=1), None, None, training=True)


class TestStems:
    @torch.no_grad()
    def test_cifar(self) -> None:
        # DARTS: one 3x3 convolution to 3C channels and normalisation, no ReLU, for both inputs.
        stem = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(1, 12, 16)).double().stem
        x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
        before, previous = stem(x)
        (convolution,) = [m for m in stem.modules() if isinstance(m, nn.Conv2d)]
        assert convolution.weight.shape == (12, 3, 3, 3)
        torch.testing.assert_close(before, strided(x, convolution, 1), rtol=1e-9, atol=1e-10)
        assert torch.equal(before, previous)

    @torch.no_grad()
    def test_imagenet(self) -> None:
        # DARTS: two strided convolutions to C/2 and C with a ReLU between them, then a ReLU and a third one.
        stem = build(load_zoo("darts_v2"), get_skeleton("imagenet").with_size(1, 6, 16)).double().stem
        x = torch.randn(2, 3, 19, 32, dtype=torch.float64)
        before, previous = stem(x)
        a, b, c = (m for m in stem.modules() if isinstance(m, nn.Conv2d))
        assert [m.weight.shape[:2] for m in (a, b, c)] == [(6, 3), (12, 6), (12, 12)]
        first = strided(strided(x, a, 2).relu(), b, 2)
        torch.testing.assert_close(before, first, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(previous, strided(first.relu(), c, 2), rtol=1e-9, atol=1e-10)
        assert before.shape[2:] == (5, 8)
        assert previous.shape[2:] == (3, 4)

    @pytest.mark.parametrize("form", ["train", "search"])
    @pytest.mark.parametrize("name", ["cifar", "imagenet"])
    def test_their_normalisation_always_learns(self, name: str, form: str) -> None:
        # DARTS: affine in the stem, also while searching.
        network = build(load_zoo("darts_v2"), get_skeleton(name).with_size(1, 8, 16), form=form)  # type: ignore[arg-type]
        norms = [m for m in network.stem.modules() if isinstance(m, nn.BatchNorm2d)]
        assert len(norms) == (1 if name == "cifar" else 3)
        assert all(m.affine for m in norms)
        in_cells = [m for m in network.cells.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {m.affine for m in in_cells} == {form == "train"}


class TestDropPath:
    @pytest.mark.parametrize("rate", [0.2, 0.5])
    def test_samples_are_left_out_or_scaled(self, rate: float) -> None:
        cell = bare_cell([[("avg_pool_3x3", 0)]])
        cell.drop_path = rate
        count = 4000
        x = torch.ones(count, WIDTH, 2, 2)
        torch.manual_seed(3)
        y = cell(x, x)
        kept = y[:, 0, 0, 0] > 0
        # One draw for a sample: all its channels and pixels go together, and each sample by itself.
        expected = torch.where(kept.view(-1, 1, 1, 1), x / (1 - rate), torch.zeros(()))
        torch.testing.assert_close(y, expected)
        # 4000 draws: five standard deviations of the share, and the mean stays 1 within as many.
        deviation = (rate * (1 - rate) / count) ** 0.5
        assert abs(float(kept.float().mean()) - (1 - rate)) < 5 * deviation
        assert abs(float(y.mean()) - 1) < 5 * deviation / (1 - rate)

    def test_a_rate_on_the_device_can_change(self) -> None:
        """Recorded iterations read it anew."""
        cell, x = bare_cell([[("avg_pool_3x3", 0)]]), torch.ones(4000, WIDTH, 2, 2)
        cell.drop_path = rate = torch.zeros(())
        torch.manual_seed(3)
        for value in (0.0, 0.25, 0.5):
            rate.fill_(value)
            y = cell(x, x)[:, 0, 0, 0]
            assert {round(each, 5) for each in y.unique().tolist()} <= {0.0, round(1 / (1 - value), 5)}
            assert float((y > 0).float().mean()) == pytest.approx(1 - value, abs=0.04)

    def test_edges_are_left_out_one_by_one(self) -> None:
        cell = bare_cell([[("avg_pool_3x3", 0), ("max_pool_3x3", 1)]])
        cell.drop_path = 0.5
        x = torch.ones(4000, WIDTH, 2, 2)
        torch.manual_seed(3)
        y = cell(x, x)[:, 0, 0, 0]
        # The sum of two independent edges, each 0 or 2: a quarter, a half, a quarter.
        shares = [float((y == value).float().mean()) for value in (0, 2, 4)]
        assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.04)

    def test_never_on_identities(self) -> None:
        cell = bare_cell([[("skip_connect", 0), ("skip_connect", 1)], [("skip_connect", 2)]])
        a, b = torch.randn(2, 8, WIDTH, 5, 5)
        expected = cell(a, b)
        cell.drop_path = 0.9
        assert torch.equal(cell(a, b), expected)

    def test_a_strided_skip_is_no_identity(self) -> None:
        # DARTS: "if not isinstance(op, Identity)"; a strided skip is a FactorizedReduce.
        cell = bare_cell([[("skip_connect", 0)]], stride=2)
        cell.drop_path = 0.5
        torch.manual_seed(0)
        y = cell(*torch.randn(2, 32, WIDTH, 4, 4))
        gone = (y == 0).flatten(1).all(1)
        assert 0 < gone.sum() < 32

    @torch.no_grad()
    def test_off_in_evaluation_and_at_rate_zero(self) -> None:
        network = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(1, 8, 16))
        x = torch.randn(4, 3, 8, 8)
        trained, evaluated = network(x), network.eval()(x)
        network.set_drop_path(0.7)
        assert torch.equal(network(x), evaluated)
        network.train()
        assert not torch.equal(network(x), trained)
        network.set_drop_path(0.0)
        assert torch.equal(network(x), trained)

    def test_the_rate_reaches_every_cell(self) -> None:
        network = build(load_zoo("darts_v2"), get_skeleton("cifar").with_size(1, 8, 16))
        network.set_drop_path(0.3)
        assert [cell.drop_path for cell in network.cells] == [0.3] * 5


class TestAuxiliaryHead:
    # DARTS: 5x5 average pool of stride 3 on CIFAR (8x8 maps) and 2 on ImageNet (7x7 maps).
    @pytest.mark.parametrize(
        ("size", "stride"),
        [(5, 3), (6, 3), (7, 3), (8, 3), (9, 3), (5, 2), (6, 2), (7, 2), (8, 2)],
    )
    def test_its_pool_leaves_2x2(self, size: int, stride: int) -> None:
        head = AuxiliaryHead(6, 10, size, stride)
        x = torch.randn(2, 6, size, size)
        assert nn.Sequential(*list(head)[:2])(x).shape == (2, 6, 2, 2)
        assert nn.Sequential(*list(head)[:6])(x).shape == (2, 768, 1, 1)
        assert head(x).shape == (2, 10)

    @pytest.mark.parametrize(("name", "side"), [("cifar", 40), ("imagenet", 288), ("imagenet", 320)])
    def test_larger_maps(self, name: str, side: int) -> None:
        skeleton = get_skeleton(name).with_size(0, 8, 16)
        size = auxiliary_map(skeleton, side)
        assert size is not None
        network = build(load_zoo("darts_v2"), skeleton, auxiliary=True, image_size=side)
        assert network.auxiliary is not None
        assert network.auxiliary(torch.randn(2, 64, size, size)).shape == (2, 10)

    @torch.no_grad()
    def test_its_layers(self) -> None:
        head = AuxiliaryHead(6, 10, 8, 3).double().eval()
        convolutions = [m for m in head if isinstance(m, nn.Conv2d)]
        norms = [m for m in head if isinstance(m, nn.BatchNorm2d)]
        assert [c.weight.shape for c in convolutions] == [(128, 6, 1, 1), (768, 128, 2, 2)]
        for norm in norms:
            norm.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        x = torch.randn(3, 6, 8, 8, dtype=torch.float64)
        # Four windows of 5x5 in the corners; then 128 and 768 channels, both normalised (P-DARTS).
        r = x.relu()
        corners = [[r[:, :, i : i + 5, j : j + 5].mean((2, 3)) for j in (0, 3)] for i in (0, 3)]
        y = torch.stack([torch.stack(row, -1) for row in corners], -2)
        for convolution, norm in zip(convolutions, norms, strict=True):
            y = F.conv2d(y, convolution.weight)
            y = (y - norm.running_mean.view(1, -1, 1, 1)) / (norm.running_var.view(1, -1, 1, 1) + 1e-5).sqrt()
            y = y.relu()
        expected = y.flatten(1) @ head[-1].weight.T + head[-1].bias
        torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-12)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "side", "size"),
        [
            # A quarter of the picture on CIFAR, a 32nd on ImageNet, rounded up.
            *[("cifar", side, -(-side // 4)) for side in range(17, 37)],
            *[("cifar", side, None) for side in (1, 8, 16)],
            *[("imagenet", side, -(-side // 32)) for side in (129, 160, 161, 224, 256)],
            *[("imagenet", side, None) for side in (32, 64, 128)],
        ],
    )
    def test_it_is_there_where_its_map_is_5x5(self, name: str, side: int, size: int | None) -> None:
        skeleton = get_skeleton(name).with_size(0, 8, 16)
        assert auxiliary_map(skeleton, side) == size
        with torch.device("meta"):
            network = build(load_zoo("darts_v2"), skeleton, auxiliary=True, image_size=side)
            x = torch.empty(1, 3, side, side)
            logits, auxiliary = network.eval().forward_with_auxiliary(x)
            features = list(network.run_cells(x))[skeleton.auxiliary_slot()]
        assert (network.auxiliary is None) == (size is None)
        if network.auxiliary is None:
            assert auxiliary is None
        else:
            assert auxiliary is not None
            assert auxiliary.shape == logits.shape
            assert features.shape[-1] == size
            assert nn.Sequential(*list(network.auxiliary)[:2])(features).shape[-2:] == (2, 2)

    def test_it_reads_the_last_reduction(self) -> None:
        # DARTS: after cell 2L/3, the second reduction; 256 channels at C2 = 64.
        skeleton = get_skeleton("cifar").with_size(2, 48, 64)
        with torch.device("meta"):
            network = build(load_zoo("darts_v2"), skeleton, auxiliary=True)
        assert skeleton.auxiliary_slot() == 5
        assert network.auxiliary is not None
        assert network.auxiliary[2].in_channels == 4 * 64

    def test_not_unless_asked_for(self) -> None:
        skeleton = get_skeleton("cifar").with_size(0, 8, 16)
        plain = build(load_zoo("darts_v2"), skeleton)
        assert plain.auxiliary is None
        headed = build(load_zoo("darts_v2"), skeleton, auxiliary=True)
        assert headed.auxiliary is not None
        assert count_parameters(headed) - count_parameters(headed.auxiliary) == count_parameters(plain)


class TestErrors:
    @pytest.mark.parametrize("missing", ["normal", "reduction"])
    def test_a_missing_kind_is_named(self, missing: str) -> None:
        genotype = load_zoo("darts_v2")
        cells = {kind: cell for kind, cell in genotype.cells.items() if kind != missing}
        with pytest.raises(AutodasError, match=f"'half' has no cell of kind {missing}.*'cifar'"):
            build(Genotype(cells, "half"), get_skeleton("cifar"))

    def test_a_kind_that_no_stage_has_is_not_needed(self) -> None:
        genotype = load_zoo("darts_v2")
        only = Genotype({"reduction": genotype.cells["reduction"]})
        skeleton = get_skeleton("cifar").with_size(0, 8, 16)
        assert build(only, skeleton)(torch.randn(2, 3, 4, 4)).shape == (2, 10)
