"""``autodas evaluate``: accuracy of a trained network on test pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli._configuration import parse
from autodas.cli._output import print_facts
from autodas.cli._settings import ComputeConfig, DataConfig
from autodas.errors import AutodasError


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a trained network on the test pictures of a data set.

    Args:
        model: a run folder of 'autodas train', or a model.safetensors file.
        batch_size: pictures at a time.
        json: print JSON.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    data: DataConfig = field(default_factory=DataConfig)
    batch_size: int = 256
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("evaluate", EvaluateConfig, argv)
    from dataclasses import replace

    from autodas.cli._setup import open_data, use_compute
    from autodas.data import Loader
    from autodas.training.fit import evaluate_network
    from autodas.training.model_file import load_model

    device = use_compute(config.compute)
    network, facts = load_model(config.model)
    dataset, _ = open_data(replace(config.data, image_size=facts.image_size), 0)
    if dataset.classes != facts.classes:
        raise AutodasError(
            f"{config.model}: was trained on {len(facts.classes)} classes ({', '.join(facts.classes[:3])}, "
            f"...), but {config.data.name} has {len(dataset.classes)} ({', '.join(dataset.classes[:3])}, ...)"
        )
    if dataset.channels != facts.channels:
        raise AutodasError(
            f"{config.model}: was trained on pictures of {facts.channels} channels, "
            f"{config.data.name} has {dataset.channels}"
        )
    loader = Loader(
        dataset.test,
        None,
        batch_size=config.batch_size,
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
        device=device,
        workers=config.data.workers,
    )
    found = evaluate_network(network.to(device), loader)
    print_facts({"model": config.model, "data": config.data.name, **found.summary()}, config.json)
    return 0
