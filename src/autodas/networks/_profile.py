"""Parameters and multiply-adds of a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from autodas.genotype import Genotype
from autodas.networks._network import build
from autodas.operations import PoolNorm
from autodas.spaces import Skeleton


@dataclass(frozen=True)
class StageCost:
    """Cost of one part of the network."""

    name: str
    cells: int
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Profile:
    """Cost of a network for one image, or one clip.

    Attributes:
        parameters: all parameters without the auxiliary head.
        parameters_with_auxiliary: all parameters with it; the same number if there is none.
        multiply_adds: multiply-adds of convolutions and linear layers, without the auxiliary head; biases,
            normalisation and activations are not counted, as is usual in this field.
        stages: the same for each part.
    """

    parameters: int
    parameters_with_auxiliary: int
    multiply_adds: int
    stages: tuple[StageCost, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python data."""
        return asdict(self)


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in module.parameters())


def profile(
    genotype: Genotype,
    skeleton: Skeleton,
    *,
    classes: int = 10,
    channels: int = 3,
    image_size: int | None = None,
    frames: int | None = None,
    auxiliary: bool = True,
    pool_norm: PoolNorm | None = None,
) -> Profile:
    """Count parameters and multiply-adds of the network of :func:`build`, without allocating it.

    Args:
        genotype: the architecture.
        skeleton: skeleton in which its cells are stacked.
        classes: number of classes.
        channels: number of channels of the image or frames.
        image_size: height and width of the image, by default that of the skeleton.
        frames: number of frames of a clip, by default that of the skeleton; images have none.
        auxiliary: whether the second count of parameters includes an auxiliary head.
        pool_norm: as in :func:`build`.

    Examples:
        >>> import autodas
        >>> skeleton = autodas.get_skeleton("cifar").with_size(K=6, C1=108, C2=144)
        >>> autodas.profile(autodas.load_genotype("darts_v2"), skeleton).parameters
        3349342
    """
    size = skeleton.input_size(image_size, frames)
    with torch.device("meta"):
        network = build(
            genotype,
            skeleton,
            classes=classes,
            channels=channels,
            auxiliary=auxiliary,
            image_size=size[-1],
            pool_norm=pool_norm,
        )
        sample = torch.empty(1, channels, *size)
    counts = multiply_adds_by_module(network, sample)
    total = count_parameters(network)
    head = count_parameters(network.auxiliary) if network.auxiliary is not None else 0
    parts: list[tuple[str, list[str]]] = [("stem", ["stem"])]
    cells = {f"cells.{slot.index}": network.cells_at(slot) for slot in network.skeleton.slots()}
    for slot in network.skeleton.slots():
        name = f"stage {slot.stage + 1} ({slot.kind})"
        if parts[-1][0] != name:
            parts.append((name, []))
        parts[-1][1].append(f"cells.{slot.index}")
    parts.append(("classifier", ["last", "classifier"]))
    stages = tuple(
        StageCost(
            name,
            sum(cells.get(m, 0) for m in modules),
            sum(count_parameters(network.get_submodule(m)) for m in modules),
            sum(counts.get(m, 0) for m in modules),
        )
        for name, modules in parts
    )
    return Profile(total - head, total, sum(s.multiply_adds for s in stages), stages)


def multiply_adds_by_module(module: nn.Module, *arguments: Any) -> dict[str, int]:
    """Return the multiply-adds of one forward pass in evaluation mode, by the dotted name of submodules.

    Args:
        module: module on any device; on ``meta`` nothing is computed.
        arguments: arguments of its forward pass.
    """
    training = module.training
    module.eval()
    root = type(module).__name__
    try:
        # Untyped in torch.
        shapes = _ShapesOnly()  # type: ignore[no-untyped-call]
        with torch.no_grad(), FlopCounterMode(display=False) as counter, shapes:
            module(*arguments)
    finally:
        module.train(training)
    counts = {}
    for name, operations in counter.get_flop_counts().items():
        short = "" if name in ("Global", root) else name.removeprefix(f"{root}.")
        counts[short] = sum(operations.values()) // 2
    return counts


class _ShapesOnly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers what costs nothing, and has the shape of its input, without the work of torch on ``meta``.

    Torch takes normalisation apart there, into a dozen steps of Python.
    """

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if args and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            if function is torch.ops.aten.relu.default:
                return torch.empty_like(args[0])
            # With running statistics.
            if function is torch.ops.aten.native_batch_norm.default and not args[5]:
                nothing = args[0].new_empty(0)
                return torch.empty_like(args[0]), nothing, nothing
        return function(*args, **(kwargs or {}))
