"""``autodas evaluate``: results of a trained network on test images or videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas.cli import _evaluate_detector
from autodas.cli._code import allow_code_for
from autodas.cli._detector_model import names_detector
from autodas.cli._output import print_facts, unseen_first
from autodas.cli._settings import ComputeConfig, DataConfig
from autodas.cli._trained import TEST_CLIPS, check_test_clips, data_for
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.flags import note_line

if TYPE_CHECKING:
    import numpy as np
    import torch

    from autodas.data import Clips, ImageDataset
    from autodas.loop import Group
    from autodas.loop.tasks import Evaluation, Task
    from autodas.training.model_file import ModelFacts


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a trained network on the test samples of a data set, or on all samples if it has no splits.

    Args:
        model: a run folder of 'autodas train', a model.safetensors file, or a file of 'autodas export'.
        fuse: another trained network, whose scores are averaged with those of the first: two streams, RGB and
            optical flow. Each network gets the kind of input it was trained on.
        code: modules of your own, separated by commas, whose operations its genotype may name; those named in
            the configuration of its run are always allowed.
        batch_size: images or clips per batch; by default 256 images or 32 clips.
        test_clips: clips of each video, whose scores are averaged.
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        json: print JSON.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    data: DataConfig
    fuse: str | None = None
    code: tuple[str, ...] = ()
    batch_size: int | None = None
    test_clips: int = TEST_CLIPS
    test_crops: int = 1
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "test_clips", "test_crops"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")


_COMMON = ("data.name", "fuse", "batch_size", "test_clips", "compute.device", "json")

USAGES = (Usage("evaluate", EvaluateConfig, common=_COMMON), _evaluate_detector.USAGE)


def run(argv: list[str]) -> int:
    """Run the command."""
    if names_detector(argv):
        return _evaluate_detector.run(argv)
    config = USAGES[0].parse(argv)
    allow_code_for(config.code, config.model, config.fuse)
    import numpy as np
    import torch

    from autodas.cli._setup import connect, say_notes, use_compute

    device = use_compute(config.compute)
    group = connect("evaluate", config, device)
    result, dataset, task = evaluate_model(config, config.model, device, group)
    facts: dict[str, Any] = {"model": config.model, "data": config.data.name}
    notes, known = list(dataset.notes), [_seen(config.model, dataset)]
    if config.fuse is not None:
        other, dataset, _ = evaluate_model(config, config.fuse, device, group)
        notes += dataset.notes
        known.append(_seen(config.fuse, dataset))
        facts["fused_with"] = config.fuse
        facts["alone"] = {config.model: result.summary(), config.fuse: other.summary()}
        result = task.fuse([result, other])
    seen = torch.from_numpy(np.any(known, axis=0))[result.indices]
    unseen = _unseen(result, seen)
    facts |= result.summary() | unseen
    if unseen:
        notes.append(
            f"{unseen['trained_on']} of {result.count} {dataset.what} were used to train {config.model}"
            + (f" or {config.fuse}" if config.fuse else "")
            + (": results are first those of the others" if "unseen" in unseen else "")
        )
    say_notes(dict.fromkeys(notes))
    if config.json:
        print_facts(facts, as_json=True)
        return 0
    shown = result.some(~seen) if "unseen" in unseen else result
    if shown is not result or not unseen:
        print(task.result_line(shown.summary()))
    print_facts(_for_people(unseen_first(facts), task.in_words_only), as_json=False)
    print("".join(f"{note_line(remark)}\n" for remark in task.remarks(shown)), end="")
    return 0


def _for_people(facts: dict[str, Any], unsaid: Sequence[str]) -> dict[str, Any]:
    """Return facts without those that are reported in words."""
    told = {name: fact for name, fact in facts.items() if name not in unsaid}
    if "alone" in told:
        told["alone"] = {name: _for_people(summary, unsaid) for name, summary in told["alone"].items()}
    if "with_training_samples" in told:
        told["with_training_samples"] = _for_people(told["with_training_samples"], unsaid)
    return told


def evaluate_model(
    config: EvaluateConfig, model: str, device: torch.device | None = None, group: Group | None = None
) -> tuple[Any, ImageDataset, Task[Any]]:
    """Evaluate a trained or exported network; return the result, the data set and the task.

    Args:
        config: configuration of the command, whose ``model`` is not read.
        model: a run folder, a model file, or an exported file.
        device: device of the network; by default the CPU.
        group: processes that share the samples; by default this one alone.
    """
    import torch

    from autodas.data import Loader, Part, open_test_set
    from autodas.export import open_model
    from autodas.loop import ALONE, check_same_facts, digest_of
    from autodas.training.fit import evaluate_network

    device, group = device or torch.device("cpu"), group or ALONE
    network, facts = open_model(model)
    check_test_clips(facts.clips is not None, config.test_clips, config.test_crops)
    clips, data = facts.clips, data_for_model(model, facts, config.data)
    dataset = group.after_first(lambda: open_test_set(data.name, facts.classes, data.options))
    if group.size > 1:
        check_same_facts(group, "other data", {dataset.name: digest_of(dataset.fingerprint)})
    _check(model, facts, dataset, stated=config.data.value_range is not None)
    loader = Loader(
        dataset.test,
        None,
        batch_size=config.batch_size or (256 if clips is None else 32),
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
        device=device,
        workers=config.data.workers,
        views=1 if clips is None else config.test_clips,
        crops=1 if clips is None else config.test_crops,
        part=Part(group.rank, group.size),
    )
    result = evaluate_network(network.to(device), loader, facts.task, group=group)
    return result, dataset, facts.task


def data_for_model(model: str, facts: ModelFacts, data: DataConfig) -> DataConfig:
    """Return the data configuration for a trained network: inputs as in training.

    Raises:
        AutodasError: if the data are of another kind, or an option contradicts the training data.
    """
    _check_kind(model, facts, data.name)
    data = data_for(model, facts, data)
    return data if facts.clips is None else _with_clips(data, facts, facts.clips)


def _seen(model: str, dataset: ImageDataset) -> np.ndarray:
    """Return whether the network was trained on each of the test samples, bool (samples,)."""
    from autodas.loop import trained_on
    from autodas.runs.folder import RunFolder

    folder = Path(model)
    return trained_on(RunFolder(folder.parent if os.path.isfile(folder) else folder), dataset)


def _unseen(result: Evaluation, seen: torch.Tensor) -> dict[str, Any]:
    """Return the number of samples the network was trained on, and its results on the others."""
    if not seen.any():
        return {}
    facts: dict[str, Any] = {"trained_on": int(seen.sum())}
    return facts if seen.all() else facts | {"unseen": result.some(~seen).summary()}


def _with_clips(data: DataConfig, facts: ModelFacts, clips: Clips) -> DataConfig:
    """Return the data configuration: as in training, except for the user's options, such as longer clips."""
    frames, step, fps, sampling = data.frames or clips.frames, data.frame_step, data.fps, data.sampling
    if step is None and fps is None and sampling == "dense":
        sampling, fps = clips.sampling, clips.fps
        step = clips.step if sampling == "dense" and fps is None else None
    flow = facts.flow.method if facts.flow is not None else data.flow
    if data.flow not in (flow, DataConfig.flow):
        raise AutodasError(f"the network was trained on flow from {flow}: leave out data.flow {data.flow}")
    return replace(
        data,
        frames=frames,
        frame_step=step,
        fps=fps,
        sampling=sampling,
        starts=clips.starts,
        modality=facts.modality,
        flow=flow,
    )


def _check_kind(model: str, facts: ModelFacts, data: str) -> None:
    from autodas.data import holds_videos

    wants, holds = (
        "videos" if videos else "images" for videos in (facts.blueprint.dimensions == 3, holds_videos(data))
    )
    if wants != holds:
        raise AutodasError(
            f"{data} holds {holds}, but the network of {model} is for {wants}: choose a data set of {wants} "
            "with --data"
        )


def _check(model: str, facts: ModelFacts, dataset: ImageDataset, *, stated: bool) -> None:
    if facts.value_range is None and dataset.value_range is not None and not stated:
        low, high = dataset.value_range
        raise AutodasError(
            f"{model}: trained on 8-bit images, but those of {dataset.name} have more bits: give the values "
            f"of black and white, such as --data.value_range={low:g},{high:g}"
        )
