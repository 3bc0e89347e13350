"""What each extra is for, and a small trial of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Extra(NamedTuple):
    """Extra of the package.

    Args:
        cost: what users do without if it is missing.
        trial: function that uses it, and returns what has worked; raises anything if it does not work.
            By default its libraries are imported.
        shared: module and one of its names, which users' own programs import beside autodas.
    """

    cost: str
    trial: Callable[[], str] | None = None
    shared: tuple[str, str] | None = None


def _draw() -> str:
    from autodas.report.drawing._render import render_png

    start = render_png("digraph { input -> cell }")[:4]
    if start != b"\x89PNG":
        raise RuntimeError("a drawing is no PNG")
    return "a drawing works"


def _decode() -> str:
    """Encode a few frames of different brightness, and read them as videos are read."""
    import av
    import numpy as np

    from autodas.data.frames._decode import read_frames
    from autodas.data.frames._index import read_index

    shades = (40, 120, 200)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "trial.mp4")
        with av.open(path, "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
            for shade in shades:
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        frames = read_frames(path, read_index(path), range(len(shades)), (16, 16))
    found = frames.mean(axis=(1, 2, 3))
    if not np.allclose(found, shades, atol=10):
        raise RuntimeError(f"frames of brightness {shades} are decoded as {found.round().tolist()}")
    return "a video is decoded"


def _flow() -> str:
    import numpy as np

    from autodas.data.frames._flow import flow_solver

    edge = np.zeros((32, 32), np.uint8)
    edge[:, 16:] = 255
    found = flow_solver("tvl1")(edge, np.roll(edge, 1, axis=1))
    if not np.isfinite(found).all():
        raise RuntimeError("the flow of two images is not finite")
    return "a flow is computed"


def _tensorboard() -> str:
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        writer.add_scalar("trial", 1.0, 0)
    return "a file is written"


def _data_sets() -> str:
    from datasets import load_dataset  # noqa: F401

    return ""


def _onnx() -> str:
    from onnxruntime.quantization import quantize_static  # noqa: F401

    from autodas.export._onnx import check_onnx_libraries

    check_onnx_libraries()
    return ""


def _hub() -> str:
    import autodas.hub  # noqa: F401

    return ""


def _timm() -> str:
    import autodas.timm  # noqa: F401

    return ""


def _transformers() -> str:
    import autodas.transformers  # noqa: F401

    return ""


def _detection() -> str:
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: F401

    from autodas.optional_imports import import_transformers

    import_transformers("detection")
    from transformers import RTDetrForObjectDetection  # noqa: F401

    return ""


def _embedding() -> str:
    from pytorch_metric_learning import losses, miners, reducers  # noqa: F401

    return ""


EXTRAS: dict[str, Extra] = {
    "viz": Extra("no drawings as SVG, PNG or GIF, in reports neither; DOT text is written", _draw),
    "video": Extra("video files cannot be read; folders of frames can", _decode),
    "flow": Extra("no optical flow (--data.modality flow)", _flow),
    "tiff": Extra("TIFF files of microscopes and satellites cannot be read"),
    "tensorboard": Extra("no TensorBoard files", _tensorboard),
    "hf": Extra("no data sets of the Hugging Face hub (hf:NAME)", _data_sets),
    "export": Extra("no ONNX files", _onnx),
    "hub": Extra("no networks to and from the Hugging Face Hub", _hub),
    "timm": Extra("no networks of timm as teachers and backbones", _timm, ("timm", "create_model")),
    "transformers": Extra(
        "no backbones for models of transformers", _transformers, ("transformers", "RTDetrForObjectDetection")
    ),
    "detection": Extra("no detectors (--task detection)", _detection),
    "embedding": Extra("no training for retrieval (--task embedding)", _embedding),
    "ray": Extra("no comparisons in a Ray cluster (--on ray)"),
}
"""Extras for users by name; those for developers are not examined."""
