"""Peak memory of a network in use, measured in a separate process.

``python -m autodas.devices._memory JOB`` is that process; the last line of its output is the number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autodas.devices._random_network import describe_network
from autodas.devices._runtimes import forward_of, prepared
from autodas.export import check_onnx_libraries, open_model
from autodas.loop import peak_in_fresh_process, peak_of, print_peak
from autodas.measure_options import MeasureSettings
from autodas.networks import read_blueprint
from autodas.training.model_file import ModelFacts
from autodas.user_code import allow_code


def peak_memory(
    facts: ModelFacts, settings: MeasureSettings, file: Path | None = None, code: tuple[str, ...] = ()
) -> float | None:
    """Measure the peak memory of a network in use in MiB: weights, maps, and what the runtime needs for both.

    On the CPU: peak resident memory of a fresh process while it loads the network and passes samples through
    it, minus its memory after all imports. On a GPU: peak memory allocated by torch.

    Args:
        facts: description of the network, one that was not trained.
        settings: how it is measured.
        file: ONNX file of the network, if ONNX Runtime computes it.
        code: modules with operations of the user that it may import.

    Returns:
        Peak memory, ``None`` if it is not available (on systems without ``/proc``).

    Raises:
        AutodasError: if the process fails.
    """
    job = {
        "network": facts.blueprint.to_dict(),
        "sizes": {
            "classes": len(facts.classes),
            "channels": facts.channels,
            "image_size": facts.image_size,
            "frames": facts.frames,
        },
        "settings": settings.to_dict(),
        "file": None if file is None else str(file.absolute()),
        "code": code,
    }
    return peak_in_fresh_process(__name__, job, settings.device, facts.blueprint.name)


def _measure(job: dict[str, Any]) -> float:
    allow_code(*job["code"])
    settings = MeasureSettings.from_dict(job["settings"], "settings")
    facts = describe_network(read_blueprint(job["network"], "network"), **job["sizes"])
    file = None if job["file"] is None else Path(job["file"])
    if file is not None:
        check_onnx_libraries()  # imports them before the measurement

    def use() -> None:
        # Running statistics do not matter here, and their estimation would need more memory than the use.
        network = facts.build().eval() if file is None else open_model(file)[0]
        forward_of(network, facts, settings)

    with prepared(settings):
        return peak_of(use, settings.device)


if __name__ == "__main__":
    print_peak(_measure)
