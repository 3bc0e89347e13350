"""Networks with random weights."""

from __future__ import annotations

import pytest
import torch

from autodas.costs import NetworkSetting
from autodas.devices._random_network import facts_of, random_network
from autodas.export import sample_inputs
from autodas.spaces import get_skeleton
from autodas.training.model_file import ModelFacts
from autodas.zoo import load_genotype


def facts(K: int = 6) -> ModelFacts:
    setting = NetworkSetting(get_skeleton("cifar").with_size(K, 8, 16), 3, 16, 10)
    return facts_of(load_genotype("darts_v2"), setting)


def test_maps_of_a_deep_network_keep_their_size() -> None:
    """Those of a new network in evaluation mode do not: in the end they are denormal."""
    found = {}
    for name, network in (("settled", random_network(facts())), ("new", facts().build().eval())):
        maps: list[torch.Tensor] = []
        network.classifier.register_forward_hook(lambda module, inputs, output, to=maps: to.append(inputs[0]))
        with torch.no_grad():
            network(sample_inputs(facts()))
        found[name] = float(maps[0].std())
    assert 0.1 < found["settled"] < 10
    assert found["new"] < 0.01


def test_running_statistics_are_those_of_the_samples() -> None:
    network = random_network(facts(K=1))
    stem = network.get_submodule("stem")
    with torch.no_grad():
        x = stem.conv(sample_inputs(facts(K=1)))
    assert torch.allclose(stem.norm.running_mean, x.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(stem.norm.running_var, x.var((0, 2, 3)), rtol=1e-3)
    assert stem.norm.momentum == 0.1
    assert not network.training


def test_a_seed_has_its_weights_and_leaves_the_generator_alone() -> None:
    state = torch.get_rng_state()
    one, same, other = (random_network(facts(K=0), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("frames", [None, 4])
def test_the_description_is_that_of_a_trained_network(frames: int | None) -> None:
    from tests.trained_networks import VIDEO_GENOTYPE

    skeleton = get_skeleton("cifar" if frames is None else "video").with_size(0, 4, 8).for_clips(frames)
    genotype = load_genotype("darts_v2" if frames is None else VIDEO_GENOTYPE)
    described = facts_of(genotype, NetworkSetting(skeleton, 3, 16, 7))
    again = ModelFacts.from_json(described.to_json(), "here")
    with torch.no_grad():
        assert random_network(again)(sample_inputs(again)).shape == (2, 7)
    assert again.frames == frames
