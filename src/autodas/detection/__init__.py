"""Detection of objects: images with boxes, a detector around a network, its training and metrics."""

from autodas.detection._detector import TIMM, Detector, Found, TimmBackbone
from autodas.detection._drawing import draw_boxes
from autodas.detection._file import DetectorFacts, is_detector, load_detector, save_detector
from autodas.detection._fit import DetectorFit, evaluate_detector, find_boxes
from autodas.detection._images import AnnotatedImage
from autodas.detection._loader import BoxLoader
from autodas.detection._metrics import DetectionEvaluation, Prediction, coco_metrics
from autodas.detection._open import DetectionDataset, open_boxes, open_test_boxes
from autodas.detection._pixels import Pixels, read_pixels
from autodas.detection._recipe import DetectorTraining
from autodas.detection._task import Detection

__all__ = [
    "TIMM",
    "AnnotatedImage",
    "BoxLoader",
    "Detection",
    "DetectionDataset",
    "DetectionEvaluation",
    "Detector",
    "DetectorFacts",
    "DetectorFit",
    "DetectorTraining",
    "Found",
    "Pixels",
    "Prediction",
    "TimmBackbone",
    "coco_metrics",
    "draw_boxes",
    "evaluate_detector",
    "find_boxes",
    "is_detector",
    "load_detector",
    "open_boxes",
    "open_test_boxes",
    "read_pixels",
    "save_detector",
]
