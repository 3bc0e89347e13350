"""Backbone for the detectors and segmentation models of transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import BackboneOutput
from transformers.utils.generic import can_return_tuple

from autodas.backbones._backbone import Backbone, backbone
from autodas.backbones._levels import chosen, levels_of
from autodas.backbones._source import Source, resolve
from autodas.errors import AutodasError


class AutodasBackboneConfig(BackboneConfigMixin, PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Configuration of an :class:`AutodasBackbone`, for ``backbone_config`` of detectors and the like.

    The levels of a network are called by their strides: ``stride4``, ``stride8``, ... The configuration holds
    the architecture itself, not the path or the name that it is made from.

    Args:
        genotype: the network, for images: a genotype in any form that :func:`autodas.load_genotype` accepts,
            a trained network (run folder of ``autodas train``, or model file), or a blueprint.
        skeleton: skeleton for a genotype, by default ``imagenet``.
        K: normal cells in each stage of that skeleton, by default its own number, as for the following.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output.
        num_channels: channels of the images.
        frozen_norm: whether batch normalisation keeps its statistics, scale and shift in training.
        out_features: names of the returned levels.
        out_indices: their numbers, in place of the names. The default of transformers is the last level.

    Raises:
        AutodasError: if there is no such network, or it is for clips.
    """

    model_type = "autodas"

    genotype: Any = None
    num_channels: int = 3
    frozen_norm: bool = False
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **settings: Any) -> None:
        size = {name: settings.pop(name, None) for name in ("skeleton", "K", "C1", "C2")}
        if self.genotype is None:
            # Older versions of transformers save the difference to an empty one.
            self.stage_names, self.hidden_sizes = [], []
            super().__post_init__(**settings)  # type: ignore[no-untyped-call]
            return
        found = resolve(self.genotype, **size)
        if found.blueprint.dimensions != 2:
            raise AutodasError(
                f"'{found.blueprint.name}' is a network for clips, but those of transformers are for images"
            )
        self.genotype = found.blueprint.to_dict()
        levels = levels_of(found.blueprint)
        self.stage_names = [f"stride{level.stride[0]}" for level in levels]
        self.hidden_sizes = [level.channels for level in levels]
        self.set_output_features_output_indices(
            out_features=settings.pop("out_features", None), out_indices=settings.pop("out_indices", None)
        )
        for derived in ("stage_names", "hidden_sizes"):
            settings.pop(derived, None)
        super().__post_init__(**settings)  # type: ignore[no-untyped-call]

    @property
    def channels(self) -> list[int]:
        """Channels of the returned levels."""
        return [self.hidden_sizes[index] for index in self._chosen]

    @property
    def strides(self) -> list[int]:
        """Factors by which the maps of the returned levels are smaller than the image."""
        return [int(self.stage_names[index].removeprefix("stride")) for index in self._chosen]

    @property
    def _chosen(self) -> tuple[int, ...]:
        return chosen(len(self.stage_names), self.out_indices)


class AutodasBackbone(BackboneMixin, PreTrainedModel):  # type: ignore[no-untyped-call]
    """Network of autodas as a backbone of transformers.

    Args:
        config: its configuration. Weights are new; :meth:`from_trained` has those of a trained network.

    Attributes:
        body: the network, a :class:`~autodas.Backbone`.
    """

    config: AutodasBackboneConfig
    config_class = AutodasBackboneConfig
    base_model_prefix = "autodas"
    main_input_name = "pixel_values"
    input_modalities = ("image",)  # type: ignore[assignment]
    has_attentions = False
    body: Backbone

    def __init__(self, config: AutodasBackboneConfig) -> None:
        if config.genotype is None:
            raise AutodasError("genotype is missing: a run, a genotype or a name of the zoo is expected")
        super().__init__(config)
        self.body = _body(config.genotype, config)
        self.num_features = config.hidden_sizes
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_trained(cls, source: Source, **settings: Any) -> AutodasBackbone:
        """Return the backbone of a trained network.

        Args:
            source: run folder of ``autodas train``, or model file.
            settings: arguments of :class:`AutodasBackboneConfig`, without the network.

        Raises:
            AutodasError: if there is no such network, or it is not trained.
        """
        found = resolve(source)
        if found.trained is None:
            raise AutodasError(f"{source}: has no trained weights; AutodasBackbone(config) has new ones")
        settings.setdefault("num_channels", found.trained.facts.channels)
        made = cls(AutodasBackboneConfig(genotype=found.blueprint, **settings))
        made.body = _body(source, made.config)
        return made

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a layer as torch does; transformers would draw all weights from one distribution."""
        own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        # The mark of transformers on what it has loaded: torch would reset running statistics all the same.
        loaded = all(getattr(tensor, "_is_hf_initialized", False) for tensor in own)
        reset = getattr(module, "reset_parameters", None)
        if reset is not None and not loaded:
            reset()

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None, **others: Any
    ) -> BackboneOutput:
        """Return the maps of the chosen levels.

        Args:
            pixel_values: images, shape (batch, num_channels, height, width).
            output_hidden_states: whether to return the maps of all levels up to the deepest, too.
            others: ignored, as there is no attention to return.
        """
        maps = self.body(pixel_values)
        kept = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return BackboneOutput(
            feature_maps=tuple(maps[index] for index in self.config._chosen),
            hidden_states=tuple(maps) if kept else None,
        )


def _body(source: Source, config: AutodasBackboneConfig) -> Backbone:
    """Return the network, with all levels up to the deepest of the configuration."""
    levels = range(max(config._chosen) + 1)
    return backbone(source, levels, channels=config.num_channels, frozen_norm=config.frozen_norm)
