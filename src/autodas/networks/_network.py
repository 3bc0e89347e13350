"""Discrete networks, built from a genotype."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks._cell import Cell, CellInputs
from autodas.networks._check import check_genotype
from autodas.networks._graph import cells_of_graph, graph_slot
from autodas.networks._heads import SMALLEST_MAP, AuxiliaryHead
from autodas.networks._norms import Form, cell_norms
from autodas.networks._partial import partial_channels_for
from autodas.networks._stack import CellStack
from autodas.networks._stem import STEM_STRIDE
from autodas.networks._tracing import Scriptable
from autodas.operations import ALL_CHANNELS, PartialChannels, PoolNorm, Separable3dUnit, SeparableUnit
from autodas.spaces import CellSlot, Skeleton, fit_skeleton


class Network(CellStack, Scriptable):
    """Network described by a genotype: a plain module without any search machinery.

    Build it with :func:`build`. ``network(x)`` returns logits, also in training mode.

    Attributes:
        genotype: its genotype.
        auxiliary: the auxiliary head, or ``None``.
    """

    def __init__(
        self,
        genotype: Genotype,
        skeleton: Skeleton,
        form: Form,
        classes: int,
        channels: int,
        auxiliary_size: int | None = None,
        partial: PartialChannels = ALL_CHANNELS,
    ) -> None:
        def make_cell(slot: CellSlot, inputs: CellInputs) -> Cell:
            cell, norms = genotype.cells[slot.kind], cell_norms(skeleton, form, slot)
            if slot.graph is None:
                # Cells between stage graphs are given, and use all their channels.
                own = ALL_CHANNELS if skeleton.graphs else partial
                return Cell(cell, slot, inputs, norms, own)
            graph, inner = genotype.stages[slot.graph], cells_of_graph(skeleton, genotype, slot)
            return Cell(graph, graph_slot(slot, cell), inputs, norms, partial, inner)

        super().__init__(skeleton, make_cell, classes, channels)
        self.genotype = genotype
        self.auxiliary: AuxiliaryHead | None = None
        if auxiliary_size is not None:
            features = self.cells[skeleton.auxiliary_slot()].outputs
            stride = 3 if STEM_STRIDE[skeleton.stem] == 1 else 2
            self.auxiliary = AuxiliaryHead(features, classes, auxiliary_size, stride)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (batch, classes).

        Args:
            x: images, shape (batch, channels, height, width); clips have their frames before the height.
        """
        return self.classify(self.features(x))

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and those of the auxiliary head (``None`` if there is none)."""
        auxiliary = None
        for index, features in enumerate(self.run_cells(x)):
            if self.auxiliary is not None and index == self.skeleton.auxiliary_slot():
                auxiliary = self.auxiliary(features)
        return self.classify(features), auxiliary

    def keep_maps(self, count: int) -> None:
        """Remove the heads, and the cells after the first ``count`` maps: what is left has only maps."""
        self.cells = self.cells[: max(0, count - 2)]
        self.last, self.classifier, self.auxiliary = nn.Identity(), nn.Identity(), None

    def set_drop_path(self, rate: float | Tensor) -> None:
        """Set the rate of drop path in all cells; it applies in training mode, never to identities.

        Args:
            rate: probability, in [0, 1), that an edge is dropped for a sample. As a tensor on the device it
                can be changed in place, also between recorded iterations.

        Raises:
            AutodasError: if the rate is out of range.
        """
        if not isinstance(rate, Tensor) and not 0 <= rate < 1:
            raise AutodasError(f"the rate of drop path must lie in [0, 1), found {rate}")
        for module in self.modules():
            if isinstance(module, Cell):
                module.drop_path = rate

    def cells_at(self, slot: CellSlot) -> int:
        """Return the number of cells in a slot: one, those of a stage graph, or none in a block."""
        if slot.block:
            return 0
        return 1 if slot.graph is None else len(self.genotype.stages[slot.graph].nodes)

    def use_compiled_kernels(self, enabled: bool = True) -> None:
        """Train with our own kernels for separable units where they work, in single precision.

        Parameters and state are unchanged, and results except for rounding. Evaluation is not affected, so
        that it gives the same logits everywhere.
        """
        for module in self.modules():
            if isinstance(module, SeparableUnit | Separable3dUnit):
                module.compiled = enabled


def auxiliary_map(skeleton: Skeleton, image_size: int) -> int | None:
    """Return the side of the map that an auxiliary head would read; ``None`` if it is too small."""
    size = -(-image_size // total_stride(skeleton))
    return size if size >= SMALLEST_MAP else None


def total_stride(skeleton: Skeleton) -> int:
    """Return the factor by which the last map is smaller than the image in height and width."""
    stride: int = STEM_STRIDE[skeleton.stem] * 2 ** sum(slot.reduces for slot in skeleton.slots())
    return stride


def fitted_skeleton(genotype: Genotype, skeleton: Skeleton) -> Skeleton:
    """Return the form of a skeleton in which a genotype is built, after checking that they fit together.

    Raises:
        AutodasError: if the genotype lacks a cell kind, or has one that does not fit the skeleton.
    """
    skeleton = fit_skeleton(skeleton, genotype)
    check_genotype(genotype, skeleton)
    return skeleton


def build(
    genotype: Genotype,
    skeleton: Skeleton,
    *,
    classes: int = 10,
    channels: int = 3,
    form: Form = "train",
    auxiliary: bool = False,
    image_size: int | None = None,
    pool_norm: PoolNorm | None = None,
    partial_channels: int = 1,
) -> Network:
    """Build the network of a genotype, exactly as in DARTS, or as in H-DAS if it has stage graphs.

    Args:
        genotype: the architecture; it needs a cell for each kind of the skeleton.
        skeleton: skeleton of the network, with its K, C1 and C2; it is converted to the form that the
            genotype needs (:func:`autodas.spaces.fit_skeleton`).
        classes: number of classes.
        channels: number of channels of the images or frames.
        form: ``"train"``: batch normalisation learns a scale and a shift, pools are followed by the
            skeleton's choice. ``"search"``: the normalisation of the supernet, so that its weights can be
            copied.
        auxiliary: whether to add the auxiliary head; it is omitted if its map is under 5x5.
        image_size: height and width of the images, by default that of the skeleton; only the
            auxiliary head depends on it.
        pool_norm: layer after pools, instead of the skeleton's choice.
        partial_channels: K of the supernet, in which 1/K of the channels pass through the operations; only
            for the form ``"search"``: networks are trained with all channels.

    Raises:
        AutodasError: if the genotype lacks a cell kind, has one that does not fit the skeleton, or partial
            channels do not fit.

    Examples:
        >>> import autodas, torch
        >>> skeleton = autodas.get_skeleton("cifar").with_size(K=1, C1=8, C2=16)
        >>> network = autodas.build_network(autodas.load_genotype("darts_v2"), skeleton, classes=4)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 4])
    """
    if form not in ("train", "search"):
        raise AutodasError(f"form '{form}' must be 'train' or 'search'")
    if form == "train" and partial_channels != 1:
        raise AutodasError("partial_channels belongs to the search: networks are trained with all channels")
    skeleton = fitted_skeleton(genotype, skeleton)
    if pool_norm is not None:
        skeleton = replace(skeleton, pool_norm=pool_norm, search_pool_norm=pool_norm)
    size = auxiliary_map(skeleton, image_size or skeleton.image_size) if auxiliary else None
    partial = partial_channels_for(skeleton, partial_channels)
    network = Network(genotype, skeleton, form, classes, channels, size, partial)
    network.to_memory_format()
    return network
