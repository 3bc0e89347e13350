"""``autodas export``: a trained network in the formats of other programs."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autodas.cli._code import allow_code_for
from autodas.cli._output import print_facts
from autodas.cli._settings import DataConfig
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from autodas.export import Interface
    from autodas.training.model_file import ModelFacts

Form = Literal["onnx", "torch", "safetensors", "timm", "hub"]
CALIBRATION = 256
NO_DATA = DataConfig(name="")
ENDINGS = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}
"""Endings of the files; the other forms are folders."""
_OF_FORM = {
    "any_size": ("onnx", "torch"),
    "normalise": ("onnx", "torch"),
    "probabilities": ("onnx", "torch"),
    "opset": ("onnx",),
    "int8": ("onnx",),
    "calibration": ("onnx",),
    "data": ("onnx", "torch"),
    "license": ("hub",),
}
"""Forms to which an option applies."""


@dataclass(frozen=True)
class ExportConfig:
    """Write a trained network as a file for other programs; the file is first compared with the network.

    With --data the accuracies of the network and of the file are measured on test samples.

    Args:
        model: a run folder of 'autodas train', or a model.safetensors file.
        to: onnx; torch, an exported program (.pt2); safetensors, weights and description as in a run; timm, a
            folder for timm.create_model; hub, a folder in the layout of the Hugging Face hub.
        output: the file, or the folder for timm and hub.
        any_size: images may have any height and width; in .pt2 files multiples of the network's stride.
        normalise: the file itself subtracts mean and divides by standard deviation; it reads values from 0 to
            1.
        probabilities: the file returns probabilities in place of the outputs of the last layer.
        opset: version of the ONNX operator set, 18 to 23.
        int8: convert to integers of 8 bits, with the ranges of values in training samples of --data.
        data: the data set.
        calibration: number of training samples for int8.
        license: licence of the weights for the model card of hub, such as apache-2.0; by default unknown.
        code: modules of your own, separated by commas, whose operations its genotype may name; those named in
            the configuration of its run are always allowed.
        threads: CPU threads; by default torch's own choice.
        overwrite: replace the output.
        json: print JSON.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    to: Form
    output: Path = field(metadata={"short": "-o"})
    any_size: bool = False
    normalise: bool = False
    probabilities: bool = False
    opset: int = 18
    int8: bool = False
    data: DataConfig = field(default_factory=lambda: NO_DATA)
    calibration: int = CALIBRATION
    license: str = "unknown"
    code: tuple[str, ...] = ()
    threads: int | None = None
    overwrite: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            default = NO_DATA if item.name == "data" else item.default
            forms = _OF_FORM.get(item.name, (self.to,))
            if self.to not in forms and getattr(self, item.name) != default:
                raise AutodasError(f"`{item.name}` is for `to={' and '.join(forms)}`: leave it out")
        if self.output.suffix != ENDINGS.get(self.to, self.output.suffix):
            raise AutodasError(f"{self.output}: the name of the file must end in {ENDINGS[self.to]}")
        if not self.data.name and self.data != NO_DATA:
            raise AutodasError("options of the data need a data set: name it with `data`")
        if self.int8 and not self.data.name:
            raise AutodasError("`int8` needs samples for the ranges of values: name a data set with `data`")
        if self.calibration != CALIBRATION and not self.int8:
            raise AutodasError("`calibration` is for `int8`: leave it out")
        for name in ("calibration", "threads"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise AutodasError(f"{name}={value} must be at least 1")

    @property
    def interface(self) -> Interface:
        """What the file reads and returns."""
        from autodas.export import Interface

        return Interface(self.normalise, self.probabilities, self.any_size)


_COMMON = ("to", "output", "any_size", "normalise", "probabilities", "int8", "data.name", "overwrite")

USAGES = (Usage("export", ExportConfig, common=_COMMON),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    allow_code_for(config.code, config.model)
    if config.to in ENDINGS and not config.overwrite and os.path.exists(config.output):
        raise AutodasError(f"{config.output}: exists already; `overwrite` replaces it")
    import torch

    from autodas.loop import use_single_precision
    from autodas.training.model_file import load_model

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    use_single_precision()
    network, facts = load_model(config.model)
    rows = _write(config, network, facts)
    if config.json:
        print_facts(rows, as_json=True)
        return 0
    print_facts(rows, as_json=False)
    print(f"{config.output} written")
    if config.to in ENDINGS:
        data = shlex.quote(config.data.name) if config.data.name else "DATA"
        print(f"next:\n  autodas evaluate {shlex.quote(str(config.output))} --data {data}")
    return 0


def _write(config: ExportConfig, network: nn.Module, facts: ModelFacts) -> list[dict[str, Any]]:
    """Write the output, and return a row of facts for the network and one for the output."""
    from autodas.export import export_onnx, export_program
    from autodas.training.model_file import save_model

    if config.to not in ("onnx", "torch"):
        if config.to == "safetensors":
            save_model(config.output, network, facts)
        else:
            _write_folder(config)
        return [{"form": config.to, "bytes": _size(config.output)}]
    if config.to == "torch":
        form, written = "torch", export_program(config.output, network, facts, interface=config.interface)
    else:
        form = "onnx, int8" if config.int8 else "onnx"
        written = export_onnx(
            config.output,
            network,
            facts,
            interface=config.interface,
            opset=config.opset,
            calibration=_calibration(config, facts) if config.int8 else None,
        )
    tensors = network.state_dict().items()
    weights = sum(tensor.nbytes for name, tensor in tensors if not name.startswith("auxiliary."))
    own = {"form": "network", "bytes": weights, "largest_difference": 0.0}
    file = {"form": form, "bytes": _size(config.output), "largest_difference": written.difference}
    return [
        own | _measured(config, config.model, network, facts),
        file | _measured(config, str(config.output), written.network, facts),
    ]


def _write_folder(config: ExportConfig) -> None:
    source = Path(config.model)
    if config.to == "timm":
        from autodas.export import write_timm

        write_timm(config.output, source, overwrite=config.overwrite)
    else:
        from autodas.hub import write_hub

        write_hub(config.output, source, license=config.license, overwrite=config.overwrite)


def _size(path: Path) -> int:
    """Return the size of a file, or of the files in a folder, in bytes."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))


def _measured(config: ExportConfig, model: str, network: nn.Module, facts: ModelFacts) -> dict[str, Any]:
    """Return the time for one sample and, with a data set, the metrics on its test samples."""
    from autodas.cli.evaluate import EvaluateConfig, evaluate_model
    from autodas.export import milliseconds, sample_inputs

    measured: dict[str, Any] = {"milliseconds": milliseconds(network, sample_inputs(facts, 1))}
    if config.data.name:
        evaluation = EvaluateConfig(model, config.data)
        result, _, _ = evaluate_model(evaluation, model)
        measured |= {"samples": result.count, **result.metrics}
    return measured


def _calibration(config: ExportConfig, facts: ModelFacts) -> list[Tensor]:
    """Return batches of training samples, as an evaluation reads them."""
    import numpy as np

    from autodas.cli.evaluate import data_for_model
    from autodas.data import Loader, open_dataset

    data = data_for_model(config.model, facts, config.data)
    dataset = open_dataset(data.name, data.options)
    count = min(config.calibration, len(dataset.train))
    chosen = np.random.default_rng(0).choice(len(dataset.train), count, replace=False)
    loader = Loader(
        dataset.train,
        np.sort(chosen),
        batch_size=16,
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
        channels_last=False,
    )
    return [batch.images for batch in loader.batches(0)]
