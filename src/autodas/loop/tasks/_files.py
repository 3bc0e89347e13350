"""Files that tasks write to a run folder: a table of predictions, and pictures of some samples."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autodas.data import ImageDataset
from autodas.loop.tasks._evaluation import Evaluation
from autodas.runs.folder import EXAMPLE_INDEX, PREDICTIONS, RunFolder
from autodas.runs.folder import EXAMPLES as EXAMPLE_FOLDER
from autodas.terminal import visible

EXAMPLES = 16
"""Number of test samples shown in a run folder."""


def write_table(
    folder: RunFolder, evaluation: Evaluation, dataset: ImageDataset, columns: Mapping[str, Any]
) -> None:
    """Write a row for each test sample: its number, its path, and further columns.

    For samples that are not files of their own, the path describes their place.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "index": evaluation.indices.numpy(),
            # Names that are not UTF-8 are escaped: Parquet only stores UTF-8 text.
            "path": [visible(dataset.test.describe(index)) for index in evaluation.indices.tolist()],
            **columns,
        }
    ).replace_schema_metadata({"classes": "\n".join(dataset.classes).encode("utf-8", "surrogatepass")})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    folder.write(PREDICTIONS, buffer.getvalue())


def vectors(values: Any) -> Any:
    """Return a column of vectors of equal length from a tensor (N, K)."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(values.flatten().numpy()), values.shape[1])


def write_pictures(
    folder: RunFolder,
    evaluation: Evaluation,
    dataset: ImageDataset,
    places: Sequence[int],
    facts: Callable[[int], dict[str, Any]],
) -> None:
    """Write test samples as images, for videos some of their frames, with an index of them.

    Args:
        folder: the run folder.
        evaluation: evaluation of the test samples.
        dataset: the data set.
        places: places of the samples in the evaluation.
        facts: function from a place to what the index says about the sample.
    """
    from PIL import Image

    rows = []
    for place in places:
        index = int(evaluation.indices[place])
        pixels = dataset.test.read(index)
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        name = f"{EXAMPLE_FOLDER}/{index:06d}.png"
        folder.write(name, buffer.getvalue())
        rows.append({"file": name, "index": index, "name": dataset.test.describe(index), **facts(place)})
    folder.write_json(EXAMPLE_INDEX, rows)
