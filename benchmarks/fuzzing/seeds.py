"""Good files, to be damaged: of Pillow, PyAV, pyarrow, and of a search and a training of the program."""

from __future__ import annotations

import json
import pickle
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SIZE = 12
"""Pictures of a class."""
_CELLS = ("none", "skip_connect", "nor_conv_3x3")


def make_seeds(folder: Path) -> None:
    """Make good files of all formats in a new folder."""
    from autodas.zoo import load_zoo

    random = np.random.default_rng(0)
    for kind in ("set/a", "set/b", "genotypes", "pictures", "stopped", "cifar", "lists", "videos", "lock"):
        (folder / kind).mkdir(parents=True)
    for name in ("darts_v2", "nasnet"):
        load_zoo(name).save(folder / "genotypes" / f"{name}.json")
    cells = [f"|{a}~0|+|{b}~0|{a}~1|+|{b}~0|{a}~1|{b}~2|" for a in _CELLS for b in _CELLS]
    rows = [f"{cell},{50 + n},{20.5 + n},{10**n}" for n, cell in enumerate(cells)]
    (folder / "table.csv").write_text("\n".join(["architecture,a_test,b_test,parameters", *rows]) + "\n")
    (folder / "string.txt").write_text(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    )
    _make_pictures(folder, random)
    images = [f"{name}/{i}.png,{name},{split}" for i, split in ((0, "train"), (1, "test")) for name in "ab"]
    (folder / "lists" / "images.csv").write_text("\n".join(["path,label,split", *images]) + "\n")
    _make_videos(folder, random)
    _make_runs(folder)


def _make_pictures(folder: Path, random: np.random.Generator) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from autodas.data import open_dataset

    rows = []
    for kind in "ab":
        for number in range(SIZE):
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "set" / kind / f"{number}.png")
            content = (folder / "set" / kind / f"{number}.png").read_bytes()
            rows.append({"image": {"bytes": content, "path": f"{number}.png"}, "label": "ab".index(kind)})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    table = pa.Table.from_pylist(rows)
    notes = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(notes), folder / "p.parquet", row_group_size=10)
    open_dataset(f"imagefolder:{folder / 'set'}", storage="cache", cache=str(folder / "kept"))
    picture = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    for ending in ("jpg", "png", "bmp", "gif", "webp", "tif", "ppm", "jp2"):
        picture.save(folder / "pictures" / f"p.{ending}")
    np.save(folder / "pictures" / "p.npy", random.integers(0, 4096, (24, 32, 5), dtype=np.uint16))
    if find_spec("tifffile"):
        import tifffile

        bands = random.random((24, 32, 5), dtype=np.float32)
        tifffile.imwrite(folder / "pictures" / "p.tiff", bands, planarconfig="contig")
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {b"data": random.integers(0, 255, (10, 3072), dtype=np.uint8), b"labels": [*range(10)]}
        (folder / "cifar" / name).write_bytes(pickle.dumps(batch, 2))
    names = {b"label_names": [f"c{i}".encode() for i in range(10)]}
    (folder / "cifar" / "batches.meta").write_bytes(pickle.dumps(names, 2))


def _make_videos(folder: Path, random: np.random.Generator) -> None:
    try:
        import av
    except ImportError:
        return
    frames = random.integers(0, 255, (12, 32, 48, 3), dtype=np.uint8)
    for ending, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx")):
        if codec not in av.codecs_available:
            continue
        with av.open(str(folder / "videos" / f"v.{ending}"), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    lines = ["path,label,split", "v.mp4,a,train", "v.mkv,b,train", "v.avi,a,test"]
    (folder / "lists" / "train.csv").write_text("\n".join(lines) + "\n")
    (folder / "lists" / "train.txt").write_text("v.mp4 a\nv.mkv b\nv.avi a\nv.webm b\n")
    (folder / "lists" / "classes.txt").write_text("a\nb\n")
    _make_stored(folder)
    _make_named_sets(folder)


def _make_stored(folder: Path) -> None:
    from autodas.data import open_dataset

    for storage in ("cache", "compressed"):
        data = open_dataset(
            f"videolist:{folder / 'lists' / 'train.csv'}#{folder / 'videos'}",
            frames=4,
            image_size=16,
            storage=storage,
            cache=str(folder / storage),
        )
        data.train.read(0)


def _make_named_sets(folder: Path) -> None:
    """Make the smallest sets that have the files of UCF101, HMDB51 and Kinetics."""
    from autodas.data.sets._kinetics10 import CATEGORIES

    video = folder / "videos" / "v.mp4"
    labels = [classes[0] for classes in CATEGORIES.values()]
    columns = "label,youtube_id,time_start,time_end,split"
    lists = {
        "ucf101/classInd.txt": "1 Archery\n2 Biking\n",
        "ucf101/trainlist01.txt": "Archery/v0.mp4 1\nBiking/v0.mp4 2\n",
        "ucf101/testlist01.txt": "Archery/v1.mp4\nBiking/v1.mp4\n",
        "hmdb51/jump_test_split1.txt": "v0.mp4 1\nv1.mp4 2\n",
        "hmdb51/run_test_split1.txt": "v0.mp4 1\nv1.mp4 2\n",
        **{
            f"kinetics10/{part}.csv": "\n".join(
                [columns, *(f"{label},{part}{i},0,10,{part}" for i, label in enumerate(labels)), ""]
            )
            for part in ("train", "val")
        },
    }
    videos = [
        *(f"ucf101/UCF-101/{name}/v{i}.mp4" for name in ("Archery", "Biking") for i in (0, 1)),
        *(f"hmdb51/hmdb51_org/{name}/v{i}.mp4" for name in ("jump", "run") for i in (0, 1)),
        *(
            f"kinetics10/videos/{part}{i}_000000_000010.mp4"
            for part in ("train", "val")
            for i in range(len(labels))
        ),
    ]
    for name in (*lists, *videos):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (folder / name).write_text(text)
    for name in videos:
        shutil.copy(video, folder / name)


def _make_runs(folder: Path) -> None:
    from autodas.cli.config._configuration import parse
    from autodas.cli.search import SearchConfig, run_search
    from autodas.cli.train import TrainConfig, run_train
    from autodas.runs._lock import RunLock

    common = [f"--data=imagefolder:{folder / 'set'}", "--batch_size=4", "--quiet", "--tensorboard=false"]
    words = [
        *common,
        "--space.K=0",
        "--space.C1=4",
        "--space.C2=8",
        "--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3",
        "--check_memory=false",
        "--strategy=sdas-b",
    ]
    search = [*words, "--epochs=2", f"--run={folder / 'search'}"]
    run_search(parse("search", SearchConfig, search, presets="search"))
    shutil.copy(folder / "search" / "checkpoints" / "last.pt", folder / "stopped" / "search.pt")
    words = [str(folder / "search"), *common, "--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8"]
    train = [*words, "--epochs=2", "--auxiliary=false", f"--run={folder / 'train'}"]
    run_train(parse("train", TrainConfig, train, presets="train"))
    shutil.copy(folder / "train" / "checkpoints" / "last.pt", folder / "stopped" / "train.pt")
    lock = RunLock(folder / "lock/running.json")
    lock.acquire()
    kept = lock.path.read_bytes()
    lock.release()
    lock.path.write_bytes(kept)
