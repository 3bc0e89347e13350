"""Files that single-label classification writes to a run folder."""

from __future__ import annotations

import io

from autodas.data import ImageDataset
from autodas.loop.tasks._class_evaluation import ClassEvaluation
from autodas.runs.folder import EXAMPLE_INDEX, PREDICTIONS, RunFolder
from autodas.runs.folder import EXAMPLES as EXAMPLE_FOLDER
from autodas.terminal import visible

EXAMPLES = 16
"""Number of misclassified test samples shown in a run folder."""


def write_predictions(folder: RunFolder, evaluation: ClassEvaluation, dataset: ImageDataset) -> None:
    """Write a row for each test sample: number, path, label, prediction, probability of each class.

    For samples that are not files of their own, the path describes their place.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities = evaluation.logits.softmax(1)
    table = pa.table(
        {
            "index": evaluation.indices.numpy(),
            # Names that are not UTF-8 are escaped: Parquet only stores UTF-8 text.
            "path": [visible(dataset.test.describe(index)) for index in evaluation.indices.tolist()],
            "label": evaluation.labels.numpy(),
            "predicted": probabilities.argmax(1).numpy(),
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities.flatten().numpy()), len(dataset.classes)
            ),
        }
    ).replace_schema_metadata({"classes": "\n".join(dataset.classes).encode("utf-8", "surrogatepass")})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    folder.write(PREDICTIONS, buffer.getvalue())


def write_examples(folder: RunFolder, evaluation: ClassEvaluation, dataset: ImageDataset) -> None:
    """Write the most confidently misclassified test images; for videos some of their frames."""
    from PIL import Image

    probabilities = evaluation.logits.softmax(1)
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != evaluation.labels).nonzero().flatten()
    worst = wrong[confidence[wrong].argsort(descending=True)][:EXAMPLES]
    rows = []
    for place in worst.tolist():
        index = int(evaluation.indices[place])
        pixels = dataset.test.read(index)
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        name = f"{EXAMPLE_FOLDER}/{index:06d}.png"
        folder.write(name, buffer.getvalue())
        rows.append(
            {
                "file": name,
                "index": index,
                "name": dataset.test.describe(index),
                "label": dataset.classes[int(evaluation.labels[place])],
                "predicted": dataset.classes[int(predicted[place])],
                "probability": float(confidence[place]),
            }
        )
    folder.write_json(EXAMPLE_INDEX, rows)
