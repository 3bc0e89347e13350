"""Images and videos for search and training: named sets, folders, Parquet files, functions of the user's own.

Batches are a function of (seed, epoch, position) alone; see :class:`Loader`.
"""

from autodas.data._augmentation import Augmentation, normalise
from autodas.data._check import check_dataset, describe_dataset
from autodas.data._clips import Clips
from autodas.data._contact_sheet import contact_sheet
from autodas.data._decode import IMAGE_ENDINGS, read_image
from autodas.data._images import ImageDataset, Images
from autodas.data._loader import Batch, Loader
from autodas.data._open import dataset_names, holds_videos, open_dataset
from autodas.data._read_video import read_clips
from autodas.data._split import Split
from autodas.data._splits import stratified_halves, stratified_subset
from autodas.data._video_folder import VIDEO_ENDINGS, videos_below
from autodas.data_options import DataOptions, Modality

__all__ = [
    "IMAGE_ENDINGS",
    "VIDEO_ENDINGS",
    "Augmentation",
    "Batch",
    "Clips",
    "DataOptions",
    "ImageDataset",
    "Images",
    "Loader",
    "Modality",
    "Split",
    "check_dataset",
    "contact_sheet",
    "dataset_names",
    "describe_dataset",
    "holds_videos",
    "normalise",
    "open_dataset",
    "read_clips",
    "read_image",
    "stratified_halves",
    "stratified_subset",
    "videos_below",
]
