"""ONNX files in integers of 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor


def quantised(content: bytes, samples: Iterable[Tensor]) -> bytes:
    """Return an ONNX file with weights and maps in integers of 8 bits, by ONNX Runtime's static quantisation.

    Weights have a scale for each output channel, maps one scale each, from the range of values in samples
    (QDQ format, signed integers, smallest and largest values). The metadata are kept.

    Args:
        content: content of an ONNX file.
        samples: batches of inputs as the file reads them.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load_from_string(content)
    name, metadata = model.graph.input[0].name, list(model.metadata_props)

    class Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(samples)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.numpy()}

    logger = logging.getLogger()
    level = logger.level
    with TemporaryDirectory() as folder:
        original, prepared, result = (Path(folder) / f"{n}.onnx" for n in ("original", "prepared", "result"))
        original.write_bytes(content)
        logger.setLevel(logging.ERROR)  # it advises what is done here already
        try:
            quant_pre_process(original, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                result,
                Samples(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)
        smaller = onnx.load(result)
    del smaller.metadata_props[:]
    smaller.metadata_props.extend(metadata)
    written: bytes = smaller.SerializeToString()
    return written
