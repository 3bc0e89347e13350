"""Peak memory of a search iteration, measured in a separate process.

``python -m autodas.bench.memory JOB`` is that process; the last line of its output is the number.
"""

from __future__ import annotations

from typing import Any

from autodas.bench._iteration import check_engines, make_iteration
from autodas.bench._setting import BenchSetting
from autodas.loop import peak_in_fresh_process, peak_of, print_peak

_ITERATIONS = 2  # in the second one, momentum and the gradients of the first are allocated


def peak_memory(engine: str, setting: BenchSetting) -> float | None:
    """Measure the peak memory of two search iterations in MiB.

    On the CPU: peak resident memory of a fresh process while it builds the supernet and searches, minus its
    memory after all imports. On a GPU: peak memory allocated by torch.

    Args:
        engine: as for :func:`~autodas.bench._iteration.make_iteration`.
        setting: setting of the benchmark.

    Returns:
        Peak memory, ``None`` if it is not available (on systems without ``/proc``).

    Raises:
        AutodasError: if the process fails.
    """
    job = {"engine": engine, "setting": {**setting.keywords(), "graphs": setting.graphs}}
    return peak_in_fresh_process(__name__, job, setting.device, f"engine '{engine}'")


def _measure(job: dict[str, Any]) -> float:
    engine, setting = job["engine"], BenchSetting.from_keywords(job["setting"])
    check_engines([engine])  # imports the user's module before the measurement

    def search() -> None:
        iteration = make_iteration(engine, setting)
        for _ in range(_ITERATIONS):
            iteration()

    return peak_of(search, setting.device)


def _main() -> None:
    print_peak(_measure)


if __name__ == "__main__":
    _main()
