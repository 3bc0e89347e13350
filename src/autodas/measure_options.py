"""Options of measuring networks. No torch, so that help is instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from autodas.errors import AutodasError, nearest
from autodas.limits import MOST_THREADS, largest
from autodas.reading import TEXT, Fields, OneOf, Whole
from autodas.settings import Precision

Runtime = Literal["torch", "torch-compile", "onnxruntime"]
"""What computes a network: torch as it is, what torch.compile makes of it, or ONNX Runtime."""

_SHAPE = Fields(
    {
        "runtime": OneOf(get_args(Runtime)),
        "batch": Whole(1),
        "threads": Whole(1, MOST_THREADS),
        "device": TEXT,
        "precision": OneOf(get_args(Precision)),
    }
)


@dataclass(frozen=True)
class MeasureSettings:
    """How a network is measured.

    Args:
        runtime: torch, the network as 'autodas evaluate' computes it; torch-compile, compiled by
            torch.compile; onnxruntime, its ONNX file.
        batch: samples in each forward pass, whose time is measured.
        threads: CPU threads.
        device: cpu, cuda, cuda:1.
        precision: fp32, or bf16 for forward passes under autocast.

    Raises:
        AutodasError: if a value is out of range, or the runtime does not have the device or the precision.
    """

    runtime: Runtime = "torch"
    batch: int = 1
    threads: int = 1
    device: str = "cpu"
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        for name, known in (("runtime", get_args(Runtime)), ("precision", get_args(Precision))):
            if (value := getattr(self, name)) not in known:
                raise AutodasError(f"unknown {name} '{value}'{nearest(value, list(known))}")
        for name, most in (("batch", largest("batch_size")), ("threads", MOST_THREADS)):
            if not 1 <= (count := getattr(self, name)) <= most:
                raise AutodasError(f"{name}={count} must be a whole number from 1 to {most:,}")
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise AutodasError(
                f"device '{self.device}' is not supported: networks are measured on CPUs (cpu) and on GPUs "
                "with CUDA (cuda, cuda:1)"
            )
        if self.runtime == "onnxruntime" and (self.device != "cpu" or self.precision != "fp32"):
            name = "device" if self.device != "cpu" else "precision"
            raise AutodasError(
                f"{name}={getattr(self, name)}: ONNX Runtime is measured on the CPU in single precision; "
                "choose `runtime=torch`"
            )

    @property
    def settings(self) -> MeasureSettings:
        """These settings alone, without what subclasses add."""
        return MeasureSettings(**{f.name: getattr(self, f.name) for f in fields(MeasureSettings)})

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self.settings)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], where: str) -> MeasureSettings:
        """Restore settings from the plain data of :meth:`to_dict`; other entries are ignored.

        Raises:
            AutodasError: if an entry is missing or invalid; the message names the place.
        """
        _SHAPE.check(facts, where)
        return MeasureSettings(**{f.name: facts[f.name] for f in fields(MeasureSettings)})
