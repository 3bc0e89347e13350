"""Running statistics: frozen, and estimated anew."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autodas.spaces import Space, all_alive
from autodas.supernet import (
    Supernet,
    frozen_statistics,
    mixture_of,
    reestimate_statistics,
)


def everything(space: Space) -> dict:
    return mixture_of({kind: all_alive(space.cell) for kind in space.kinds})


def buffers(module: nn.Module) -> dict[str, Tensor]:
    return {name: b.clone() for name, b in module.named_buffers()}


def unchanged(module: nn.Module, before: dict[str, Tensor]) -> bool:
    after = dict(module.named_buffers())
    return after.keys() == before.keys() and all(torch.equal(after[k], before[k]) for k in before)


class TestFrozen:
    @torch.no_grad()
    def test_batch_statistics_are_used_and_running_ones_left(self, tiny: Space) -> None:
        supernet, mixture = Supernet(tiny).train(), everything(tiny)
        supernet(torch.randn(4, 3, 8, 8), mixture)
        before = buffers(supernet)
        assert any("num_batches_tracked" in name for name in before)
        x = 2 * torch.randn(4, 3, 8, 8) + 1
        with frozen_statistics(supernet):
            frozen = supernet(x, mixture)
            assert unchanged(supernet, before)
        assert unchanged(supernet, before)
        assert torch.equal(supernet(x, mixture), frozen)  # as a training pass computes
        assert not unchanged(supernet, before)
        assert not torch.allclose(supernet.eval()(x, mixture), frozen)

    @torch.no_grad()
    def test_statistics_follow_again_afterwards_whatever_happened(self, tiny: Space) -> None:
        supernet, mixture = Supernet(tiny).train(), everything(tiny)
        with pytest.raises(RuntimeError, match="inside"), frozen_statistics(supernet):
            raise RuntimeError("inside")
        before = buffers(supernet)
        supernet(torch.randn(4, 3, 8, 8), mixture)
        moved = [not torch.equal(b, before[name]) for name, b in supernet.named_buffers()]
        assert all(moved)

    def test_the_state_dict_is_whole_inside(self, tiny: Space) -> None:
        supernet = Supernet(tiny)
        names = set(supernet.state_dict())
        with frozen_statistics(supernet):
            assert set(supernet.state_dict()) == names


class TestReestimate:
    @pytest.mark.parametrize("affine", [True, False])
    def test_one_layer_by_hand(self, affine: bool) -> None:
        norm = nn.BatchNorm2d(3, affine=affine, momentum=0.37)
        norm.running_mean.fill_(50.0)
        norm.running_var.fill_(70.0)
        batches = [torch.randn(n, 3, 4, 4) * (n + 1) + n for n in (4, 3, 2)]
        single = torch.full((1, 3, 4, 4), 1e6)  # a batch of one is skipped
        reestimate_statistics(norm, norm, [batches[0], single, *batches[1:], single])
        values = [b.transpose(0, 1).flatten(1) for b in batches]
        # Every batch counts alike; the variance of each is the unbiased one (torch keeps that).
        mean = torch.stack([v.mean(1) for v in values]).mean(0)
        variance = torch.stack([v.var(1, unbiased=True) for v in values]).mean(0)
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, variance)
        assert norm.momentum == 0.37
        assert not norm.training

    @pytest.mark.slow
    @torch.no_grad()
    def test_a_supernet_by_hand(self, tiny: Space) -> None:
        supernet, generator = Supernet(tiny), torch.Generator().manual_seed(0)
        everywhere = all_alive(tiny.cell)
        # The last operation of every edge takes no part: its statistics stay.
        active = tuple((*row[:-1], False) for row in everywhere)
        mixture = mixture_of(dict.fromkeys(tiny.kinds, active))
        batches = [torch.randn(4, 3, 8, 8, generator=generator) * s + s for s in (1, 2, 5)]
        supernet(batches[0], mixture)
        before = buffers(supernet)
        norms = {n: m for n, m in supernet.named_modules() if isinstance(m, nn.BatchNorm2d)}
        momenta = {}
        for i, (name, norm) in enumerate(norms.items()):
            norm.momentum = momenta[name] = 0.1 + 0.001 * i
        seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in norms}

        def watch(name: str, norm: nn.Module) -> None:
            def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                values = inputs[0].transpose(0, 1).flatten(1).double()
                seen[name].append((values.mean(1), values.var(1)))

            norm.register_forward_pre_hook(note)

        for name, norm in norms.items():
            watch(name, norm)
        weights = {name: p.clone() for name, p in supernet.named_parameters()}
        reestimate_statistics(supernet, lambda images: supernet(images, mixture), iter(batches))
        for name, norm in norms.items():
            if "dil_conv_5x5" in name:
                assert not seen[name]
                assert torch.equal(norm.running_mean, before[f"{name}.running_mean"])
                continue
            assert len(seen[name]) == 3
            mean = torch.stack([m for m, _ in seen[name]]).mean(0)
            variance = torch.stack([v for _, v in seen[name]]).mean(0)
            torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-4, atol=1e-5)
        assert {name: norm.momentum for name, norm in norms.items()} == momenta
        assert not supernet.training
        assert all(torch.equal(p, weights[name]) for name, p in supernet.named_parameters())

    @pytest.mark.slow
    @torch.no_grad()
    def test_it_does_not_depend_on_what_was_there(self, tiny: Space) -> None:
        supernet, mixture = Supernet(tiny), everything(tiny)
        batches = [torch.randn(4, 3, 8, 8) for _ in range(2)]
        found = []
        for start in (0.0, 3.0):
            for name, b in supernet.named_buffers():
                if "running" in name:
                    b.fill_(start)
            reestimate_statistics(supernet, lambda images: supernet(images, mixture), batches)
            found.append({n: b for n, b in buffers(supernet).items() if "running" in n})
        assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])

    def test_without_batches_nothing_changes(self, tiny: Space) -> None:
        supernet = Supernet(tiny).train()
        before = buffers(supernet)
        reestimate_statistics(supernet, lambda images: supernet(images, everything(tiny)), [])
        assert unchanged(supernet, before)
        assert not supernet.training
