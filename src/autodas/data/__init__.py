"""Images for search and training: named sets, folders, Parquet files, functions of the user's own.

Batches are a function of (seed, epoch, position) alone; see :class:`Loader`.
"""

from autodas.data._augmentation import Augmentation, normalise
from autodas.data._check import check_dataset
from autodas.data._decode import read_image
from autodas.data._images import ImageDataset, Images
from autodas.data._loader import Batch, Loader
from autodas.data._open import dataset_names, open_dataset
from autodas.data._splits import stratified_halves, stratified_subset

__all__ = [
    "Augmentation",
    "Batch",
    "ImageDataset",
    "Images",
    "Loader",
    "check_dataset",
    "dataset_names",
    "normalise",
    "open_dataset",
    "read_image",
    "stratified_halves",
    "stratified_subset",
]
