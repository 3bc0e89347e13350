"""Images and videos for search and training: named sets, folders, Parquet files, user-defined functions.

Batches are a function of (seed, epoch, position) alone; see :class:`Loader`.
"""

from autodas.data._check import check_dataset, describe_dataset
from autodas.data._contact_sheet import contact_sheet
from autodas.data._dataset import ImageDataset
from autodas.data._fingerprint import FINGERPRINT, changed_samples, changes
from autodas.data._notes import class_counts
from autodas.data._open import dataset_names, holds_videos, open_dataset, open_test_set
from autodas.data._read_video import clips_along, count_along, read_clips
from autodas.data._storing_time import seconds_to_store
from autodas.data.augmentation._augmentation import Augmentation, normalise
from autodas.data.batches._loader import Batch, Loader, Part
from autodas.data.batches._samplers import Sampler, balanced, of_identities
from autodas.data.files._endings import VIDEO_ENDINGS, image_endings
from autodas.data.files._store_folder import StoreFolder, remove_store, store_folders
from autodas.data.files._walk import LeftOut, images_below, videos_below
from autodas.data.frames._flow import BOUND as FLOW_BOUND
from autodas.data.frames._flow import FlowEncoding
from autodas.data.pixels._decode import read_image
from autodas.data.splits._clips import Clips
from autodas.data.splits._images import Images
from autodas.data.splits._split import Split
from autodas.data.splits._stratified import stratified_halves, stratified_subset
from autodas.data_options import DataOptions, Modality

__all__ = [
    "FINGERPRINT",
    "FLOW_BOUND",
    "VIDEO_ENDINGS",
    "Augmentation",
    "Batch",
    "Clips",
    "DataOptions",
    "FlowEncoding",
    "ImageDataset",
    "Images",
    "LeftOut",
    "Loader",
    "Modality",
    "Part",
    "Sampler",
    "Split",
    "StoreFolder",
    "balanced",
    "changed_samples",
    "changes",
    "check_dataset",
    "class_counts",
    "clips_along",
    "contact_sheet",
    "count_along",
    "dataset_names",
    "describe_dataset",
    "holds_videos",
    "image_endings",
    "images_below",
    "normalise",
    "of_identities",
    "open_dataset",
    "open_test_set",
    "read_clips",
    "read_image",
    "remove_store",
    "seconds_to_store",
    "store_folders",
    "stratified_halves",
    "stratified_subset",
    "videos_below",
]
