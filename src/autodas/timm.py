"""Networks of autodas in timm: importing this module registers the model ``autodas``.

.. code-block:: python

    import autodas.timm
    import timm

    model = timm.create_model("autodas", genotype="runs/flowers-net", pretrained=True, num_classes=10)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autodas.backbones import Resolved, Source, levels_of, resolve
from autodas.data.pixels._views import stored_size
from autodas.errors import AutodasError
from autodas.networks import CellBlueprint
from autodas.optional_imports import import_timm

import_timm()

from timm import create_model  # noqa: E402
from timm.models import (  # noqa: E402
    build_model_with_cfg,
    generate_default_cfgs,
    get_pretrained_cfg,
    register_model,
    save_for_hf,
)

from autodas.backbones._timm_network import TimmNetwork  # noqa: E402

__all__ = ["TimmNetwork", "autodas", "create_model", "save_for_hf"]

default_cfgs = generate_default_cfgs({"autodas": {}})
_WEIGHTS = ("state_dict", "file", "url", "hf_hub_id")


@register_model
def autodas(
    pretrained: bool = False,
    *,
    genotype: Source | None = None,
    skeleton: str | None = None,
    K: int | None = None,
    C1: int | None = None,
    C2: int | None = None,
    pretrained_cfg: dict[str, Any] | str | None = None,
    device: Any = None,
    dtype: Any = None,
    **settings: Any,
) -> nn.Module:
    """Return a network for ``timm.create_model("autodas", ...)``.

    Args:
        pretrained: whether to load the weights of a trained network. As usual in timm, the classifier is new
            if the number of classes differs, and the first convolution is adapted to the channels.
        genotype: the network: a trained network (run folder of ``autodas train``, or model file), a genotype
            in any form that :func:`autodas.load_genotype` accepts, or plain data.
        skeleton: skeleton for a genotype, by default ``imagenet``.
        K: normal cells in each stage of that skeleton, by default its own number, as for the following.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output.
        pretrained_cfg: timm's description of weights; by default that of the trained network.
        device: device of the network.
        dtype: type of its weights.
        settings: arguments of :class:`TimmNetwork`, and those of timm such as ``features_only``. By default
            channels and classes are those of the trained network.

    Raises:
        AutodasError: if there is no such network, it is for clips, or has no weights although ``pretrained``.
    """
    if genotype is None:
        raise AutodasError("genotype is missing: a run, a genotype or a name of the zoo is expected")
    found = resolve(genotype, skeleton, K, C1, C2)
    blueprint = found.blueprint
    if not isinstance(blueprint, CellBlueprint) or blueprint.dimensions != 2:
        raise AutodasError(f"'{blueprint.name}' is a network for clips, but those of timm are for images")
    description = _completed(pretrained_cfg, found)
    if pretrained and not isinstance(description, str):
        weights = {**description, **(settings.get("pretrained_cfg_overlay") or {})}
        if not any(weights.get(name) for name in _WEIGHTS):
            raise AutodasError(f"genotype={genotype} has no trained weights: leave out `pretrained`")
    features = {}
    if settings.get("features_only"):
        features = {"out_indices": len(levels_of(blueprint)), "feature_cls": "getter"}
    network: nn.Module = build_model_with_cfg(
        TimmNetwork,
        "autodas",
        pretrained,
        pretrained_cfg=description,  # type: ignore[arg-type]
        pretrained_filter_fn=_without_auxiliary,
        feature_cfg=features,
        blueprint=blueprint,
        **settings,
    )
    return network.to(device=device, dtype=dtype)


def _completed(given: dict[str, Any] | str | None, found: Resolved) -> dict[str, Any] | str:
    """Return a description of weights, completed with what is known about the network."""
    if isinstance(given, str) or (given and given.get("source")):
        return given  # a tag, or the whole description from a folder or the hub
    registered: Any = get_pretrained_cfg("autodas")
    usual = registered.to_dict()
    said = {name: value for name, value in (given or {}).items() if usual.get(name) != value}
    return {**_description(found), **said}


def _description(found: Resolved) -> dict[str, Any]:
    """Return timm's description of a network: its input, its classes and the file of its weights."""
    blueprint, trained = found.blueprint, found.trained
    assert isinstance(blueprint, CellBlueprint)
    if trained is not None:
        facts = trained.facts
        side, channels, classes = facts.image_size, facts.channels, facts.task.outputs
        own: dict[str, Any] = {
            "file": str(trained.file),
            "mean": facts.mean,
            "std": facts.std,
            "label_names": facts.classes,
        }
    else:
        side, channels, own = blueprint.skeleton.image_size, 3, {}
        classes = 1000 if blueprint.skeleton.name.startswith("imagenet") else 10
    with torch.device("meta"):
        modules = blueprint.build(classes=1, channels=1).named_modules()
    stride = levels_of(blueprint)[-1].stride[0]
    return {
        "architecture": "autodas",
        "input_size": (channels, side, side),
        "pool_size": (-(-side // stride),) * 2,
        "num_classes": classes,
        "interpolation": "bilinear",
        "crop_pct": side / stored_size(side),
        "classifier": "classifier",
        "first_conv": next(name for name, module in modules if isinstance(module, nn.Conv2d)),
        **own,
    }


def _without_auxiliary(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return weights without those of an auxiliary head, which networks in timm have not."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("auxiliary.")}
