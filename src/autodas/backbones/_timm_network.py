"""Networks with the interface of timm's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timm.layers.classifier import create_classifier
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from autodas.backbones._levels import chosen, levels_of
from autodas.networks import CellBlueprint, Network, fitted_skeleton

Indices = int | Sequence[int] | None
"""Levels as timm names them: the last so many, the given ones, or all."""


class TimmNetwork(Network):
    """Network of a genotype with the interface of timm's models.

    Weights have the names of autodas, so that model files of both can be exchanged.

    Args:
        blueprint: blueprint of the network, for images.
        num_classes: number of classes; 0 for none, so that the output is the pooled map.
        in_chans: channels of the images.
        global_pool: ``"avg"``, ``"max"``, ``"avgmax"``, ``"catavgmax"``, or ``""`` for none.
        drop_rate: rate of dropout before the classifier.
        drop_path_rate: rate of drop path of the edges in all cells, constant over training; identities are
            never dropped.

    Attributes:
        feature_info: channels, reduction and module of each level.
        num_features: channels of the last map.
        head_hidden_size: inputs of the classifier.
    """

    def __init__(
        self,
        blueprint: CellBlueprint,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        genotype = blueprint.genotype
        skeleton = fitted_skeleton(genotype, blueprint.skeleton)
        super().__init__(genotype, skeleton, "train", max(1, num_classes), in_chans)
        self.blueprint = blueprint
        self.in_chans, self.drop_rate, self.grad_checkpointing = in_chans, drop_rate, False
        self.set_drop_path(drop_path_rate)
        self.levels = levels_of(blueprint)
        names = self.map_names()
        self.feature_info = [
            {"num_chs": level.channels, "reduction": level.stride[0], "module": names[level.number]}
            for level in self.levels
        ]
        self.num_features = self.levels[-1].channels
        self.global_pool: Any = None
        self.reset_classifier(num_classes, global_pool)

    @property
    def _model_args(self) -> dict[str, Any]:
        """Arguments with which timm builds the network again, as it stores them beside weights."""
        return {**self._other_args, "genotype": self.blueprint.to_dict()}

    @_model_args.setter
    def _model_args(self, given: Mapping[str, Any]) -> None:
        # The blueprint replaces references to files, and includes the size of the skeleton.
        own = ("genotype", "skeleton", "K", "C1", "C2")
        self._other_args = {name: value for name, value in given.items() if name not in own}

    def run_cell(self, cell: nn.Module, before: Tensor, previous: Tensor, *arguments: Any) -> Tensor:
        """Return the output of one cell, which is recomputed in the backward pass if that is enabled."""
        if self.grad_checkpointing:
            return checkpoint(cell, before, previous, use_reentrant=False)  # type: ignore[no-any-return]
        return super().run_cell(cell, before, previous)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute cells in the backward pass instead of keeping what they computed."""
        self.grad_checkpointing = enable

    def get_classifier(self, name_only: bool = False) -> nn.Module | str:
        """Return the classifier, or its name."""
        return "classifier" if name_only else self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one.

        Args:
            num_classes: number of classes; 0 for no classifier.
            global_pool: kind of pool before it; ``None`` keeps it.
        """
        kept = next(self.parameters())
        pool = self.global_pool.pool_type if global_pool is None else global_pool
        self.num_classes = num_classes
        self.global_pool, self.classifier = create_classifier(
            self.num_features, num_classes, pool, device=kept.device, dtype=kept.dtype
        )
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()
        self.global_pool.train(self.training)
        self.classifier.train(self.training)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last map, shape (batch, num_features, height, width)."""
        return self.last(self.features(x))  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits from the last map; with ``pre_logits`` the inputs of the classifier."""
        x = F.dropout(self.global_pool(x), p=float(self.drop_rate), training=self.training)
        return x if pre_logits else self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, num_classes) for images."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: Indices = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the last map and those of the chosen levels.

        Args:
            x: images.
            indices: the last so many levels, the given ones, or all.
            norm: whether the last level is normalised as before the classifier, where a skeleton does that.
            stop_early: whether the cells after the last chosen level are left out.
            output_fmt: only ``"NCHW"``.
            intermediates_only: whether only the levels are returned.
        """
        assert output_fmt == "NCHW", "maps have the format NCHW"
        taken = self._chosen(indices)
        numbers = {self.levels[index].number for index in taken}
        found = []
        for number, y in enumerate(self.maps(x)):
            if number in numbers:
                found.append(self.last(y) if norm and number == self.levels[-1].number else y)
            if stop_early and number == self.levels[taken[-1]].number:
                break
        return found if intermediates_only else (self.last(y), found)

    def prune_intermediate_layers(
        self, indices: Indices = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove what the chosen levels do not need; return their numbers.

        Args:
            indices: the last so many levels, the given ones, or all.
            prune_norm: whether to remove the normalisation before the classifier.
            prune_head: whether to remove the classifier.
        """
        taken = self._chosen(indices)
        ends = taken[-1] < len(self.levels) - 1
        if ends:
            self.keep_maps(self.levels[taken[-1]].number + 1)
            self.num_features = self.levels[taken[-1]].channels
        if prune_norm:
            self.last = nn.Identity()
        if prune_head or ends:
            self.reset_classifier(0, "")
        return list(taken)

    def _chosen(self, indices: Indices) -> tuple[int, ...]:
        return chosen(len(self.levels), range(-indices, 0) if isinstance(indices, int) else indices)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that group parameters by depth: by cell, or by stage if ``coarse``."""
        cells: Any = r"^cells\.(\d+)"
        if coarse:
            cells = [(rf"^cells\.{slot.index}\.", (slot.stage,)) for slot in self.skeleton.slots()]
        return {"stem": r"^stem", "blocks": cells}
