"""Image of augmented training samples, as in the network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autodas.data._dataset import ImageDataset
from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.batches._loader import Loader
from autodas.data.splits._strata import strata_of

if TYPE_CHECKING:
    from PIL.Image import Image

_SAMPLES = 32
_COLUMNS = 8
_LEAST_SIDE = 96
_LABEL_HEIGHT, _GAP = 14, 4


def contact_sheet(dataset: ImageDataset, augmentation: Augmentation | None = None, *, seed: int = 0) -> Image:
    """Return an image of up to 32 training samples, augmented and labelled with their classes or numbers.

    They are the input of the network with its normalisation reversed. A clip is a row of its frames, with
    flow in colours (hue is direction, saturation is speed); an image with other than one or three channels is
    a row of its channels in grey. Of long rows eight are shown, evenly spaced.

    Args:
        dataset: data set to show.
        augmentation: augmentation to apply; ``None`` for the data set's default.
        seed: seed of the augmentation.
    """
    rows, names = [], []
    for views, label in _samples(dataset, augmentation or dataset.default_augmentation, seed):
        rows.append(_tiles(views, flow=dataset.modality == "flow"))
        names.append(_name(dataset, label))
    if len(rows[0]) == 1:  # one tile per sample: several samples in a row
        return _sheet([row[0] for row in rows], names)
    columns = len(rows[0])
    labels = [name if i == 0 else "" for name in names for i in range(columns)]
    return _sheet([tile for row in rows for tile in row], labels, columns)


def _name(dataset: ImageDataset, label: np.ndarray) -> str:
    """Return the label of a sample as text."""
    if dataset.task == "regression":
        return ", ".join(f"{value:.4g}" for value in label)
    numbers = np.flatnonzero(label) if dataset.task == "multilabel" else [int(np.ravel(label)[0])]
    return ", ".join(dataset.classes[number] for number in numbers) or "-"


def _samples(
    dataset: ImageDataset, augmentation: Augmentation, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return samples of all classes: (C, S, S) or (C, T, S, S) on the scale 0..255, and their labels."""
    labels = dataset.train.labels
    wanted = _SAMPLES if dataset.clips is None and dataset.channels in (1, 3) else _SAMPLES // 4
    strata = labels if labels.ndim == 1 else strata_of(labels)
    each = max(1, wanted // len(np.unique(strata)))
    chosen = np.concatenate([np.flatnonzero(strata == c)[:each] for c in np.unique(strata)])[:wanted]
    loader = Loader(
        dataset.train,
        chosen,
        batch_size=len(chosen),
        mean=dataset.mean,
        std=dataset.std,
        image_size=dataset.image_size,
        seed=seed,
        shuffle=False,
        augmentation=augmentation,
    )
    samples = []
    for batch in loader.batches(0):
        shape = (1, -1, *(1 for _ in batch.images.shape[2:]))
        mean, std = (batch.images.new_tensor(values).view(shape) for values in (dataset.mean, dataset.std))
        pixels = ((batch.images * std + mean) * 255).clamp(0, 255)
        samples += [(p.numpy(), label.numpy()) for p, label in zip(pixels, batch.labels, strict=True)]
    return samples


def _tiles(views: np.ndarray, *, flow: bool) -> list[np.ndarray]:
    """Return the tiles of one sample, uint8 (S, S, 3)."""
    if views.ndim == 4:
        frames = np.moveaxis(views, (1, 0), (0, -1))  # (T, S, S, C)
        tiles = [_flow_colours(f) if flow else f for f in frames]
    elif views.shape[0] in (1, 3):
        tiles = [np.moveaxis(views, 0, -1)]
    else:
        tiles = [channel[..., None] for channel in views]
    chosen = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), _COLUMNS)).astype(int))
    return [np.broadcast_to(np.rint(tiles[i]).astype(np.uint8), (*tiles[i].shape[:2], 3)) for i in chosen]


def _flow_colours(flow: np.ndarray) -> np.ndarray:
    """Return optical flow (S, S, 2), where 128 is no motion, as colours on white."""
    import PIL.Image

    # Less than one step of a byte also counts as no motion.
    across, down = (np.where(abs(d) < 1, 0, d) for d in (flow[..., i] - 128 for i in range(2)))
    speed = np.hypot(across, down)
    hue = np.arctan2(down, across) / (2 * np.pi) % 1
    strength = speed / max(float(speed.max()), 16.0)  # keeps noise pale
    colours = np.stack([255 * hue, 255 * strength, np.full_like(hue, 255)], -1).astype(np.uint8)
    return np.asarray(PIL.Image.fromarray(colours, "HSV").convert("RGB"))


def _sheet(tiles: list[np.ndarray], labels: list[str], columns: int = _COLUMNS) -> Image:
    import PIL.Image
    import PIL.ImageDraw

    size = tiles[0].shape[0]
    side = size * max(1, -(-_LEAST_SIDE // size))  # an integer factor, so that nothing is smoothed
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = PIL.Image.new(
        "RGB", (columns * (side + _GAP) + _GAP, rows * (side + _LABEL_HEIGHT + _GAP) + _GAP), "white"
    )
    draw = PIL.ImageDraw.Draw(sheet)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        left = _GAP + number % columns * (side + _GAP)
        top = _GAP + number // columns * (side + _LABEL_HEIGHT + _GAP)
        image = PIL.Image.fromarray(np.ascontiguousarray(tile))
        sheet.paste(image.resize((side, side), PIL.Image.Resampling.NEAREST), (left, top))
        # The built-in font supports few letters.
        text = label.encode("ascii", "replace").decode()[: side // 6]
        draw.text((left, top + side + 1), text, fill="black")
    return sheet
