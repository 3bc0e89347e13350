"""Trained networks as folders in the layout of the Hugging Face Hub."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.export._comparison import check_same_outputs, sample_inputs
from autodas.export._folder import CONFIGURATION, new_folder
from autodas.export._model_card import PROVENANCE, UNKNOWN, card_text, provenance_of
from autodas.optional_imports import import_optional
from autodas.runs.folder import MODEL
from autodas.training.model_file import ModelFacts, load_model, save_model

import_optional("huggingface_hub", "hub")

from huggingface_hub import ModelCard, PyTorchModelHubMixin  # noqa: E402


class HubNetwork(nn.Module, PyTorchModelHubMixin):
    """Trained network that is saved to and loaded from the Hugging Face Hub, or a folder in its layout.

    ``HubNetwork.from_pretrained(place)`` loads it in evaluation mode, ``save_pretrained(folder)`` writes its
    configuration, weights and model card, and ``push_to_hub(name)`` uploads them. The weights are also a
    model file of autodas: a downloaded folder can be used in place of a run.

    Args:
        config: content of ``config.json``: the facts about the network, and where it comes from.

    Attributes:
        network: the network; with new weights, unless it is loaded.
        facts: the :class:`~autodas.training.model_file.ModelFacts` about it, such as its classes.

    Raises:
        AutodasError: if the configuration is missing or invalid.
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        if config is None:
            raise AutodasError(f"{CONFIGURATION} is missing: these are not the files of a network of autodas")
        self.facts = ModelFacts.from_json(json.dumps(config), CONFIGURATION)
        self.provenance: dict[str, Any] = config.get("provenance", {"license": UNKNOWN})
        PROVENANCE.check(self.provenance, f"{CONFIGURATION}: provenance")
        self.network: nn.Module = self.facts.build()

    @classmethod
    def from_trained(cls, source: str | Path, license: str = UNKNOWN) -> HubNetwork:
        """Return the network of a run folder of ``autodas train``, or of a model file.

        Args:
            source: the run folder or file.
            license: licence of the weights, as the Hub calls it, such as ``"apache-2.0"``.

        Raises:
            AutodasError: if there is no trained network.
        """
        network, facts = load_model(source)
        provenance = provenance_of(Path(source), license)
        made = cls({**json.loads(facts.to_json()), "provenance": provenance})
        made.network = network
        return made.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the network, for a batch of images or clips as :attr:`facts` prepare them."""
        return self.network(x)  # type: ignore[no-any-return]

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the model card: what the network is, where it comes from, its accuracy and how to use it."""
        return ModelCard(card_text(self.facts, self.provenance))

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(save_directory / MODEL, self.network, self.facts)

    @classmethod
    def _load_as_safetensor(cls, model: Any, model_file: str, map_location: str, strict: bool) -> Any:
        network, model.facts = load_model(model_file)
        model.network = network.to(map_location)
        return model.eval()

    @classmethod
    def _load_as_pickle(cls, model: Any, model_file: str, map_location: str, strict: bool) -> Any:
        raise AutodasError(f"{model_file}: weights are read from {MODEL} alone")


def write_hub(path: Path, source: Path, *, license: str = UNKNOWN, overwrite: bool = False) -> None:
    """Write a trained network as a folder in the layout of the Hugging Face Hub.

    The folder has a configuration, weights and a model card. :class:`HubNetwork` loads it.

    Args:
        path: the folder.
        source: run folder of ``autodas train``, or model file.
        license: licence of the weights, as the Hub calls it, such as ``"apache-2.0"``.
        overwrite: whether to replace an earlier export.

    Raises:
        AutodasError: if there is no trained network, huggingface_hub is missing, the folder is not available,
            or the written network computes something else.
    """
    ready = HubNetwork.from_trained(source, license)
    with new_folder(path, overwrite) as folder:
        ready.save_pretrained(folder)
        with redirect_stdout(io.StringIO()):  # the library prints what it does
            written = HubNetwork.from_pretrained(folder)
        check_same_outputs(ready, written, [sample_inputs(ready.facts)], path)
