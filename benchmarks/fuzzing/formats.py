"""Every kind of file that is read: good ones, how to damage them, and what reads them.

Another kind is one entry in :func:`formats`. The seeds are files that the program itself has written, or that
Pillow, PyAV and pyarrow have.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from mutations import (
    damaged_bytes,
    damaged_data,
    json_damage,
    lines_damage,
    structured,
    text_damage,
)

MARK = "executed"
"""The file that planted payloads would make, in the working folder."""

Damage = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Args:
        name: what it is called.
        seeds: good files.
        damage: makes a bad one of a good one.
        read: reads a file as the program does; refusals are errors of the program's own.
        place: where the damaged file goes, in a folder of its own that was copied from ``around``.
        around: a folder that the file belongs to; ``None`` for none.
        writes: whether reading changes that folder.
    """

    name: str
    seeds: tuple[Path, ...]
    damage: Damage
    read: Callable[[Path], Any]
    place: str
    around: Path | None = None
    writes: bool = False


class Payload:
    """What an attacker plants in a pickle: reading it would make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {MARK}",))


def formats(folder: Path) -> list[Format]:
    """Return all formats, with seeds below a folder; they are made where they are not there yet."""
    from autodas.benchmark_string import read_benchmark_string
    from autodas.cli._configuration import parse
    from autodas.cli.search import SearchConfig
    from autodas.cli.train import TrainConfig
    from autodas.genotype import Genotype
    from autodas.networks._check import check_genotype
    from autodas.spaces import SKELETONS, fit_skeleton, validate
    from autodas.training.model_file import load_model

    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _make_seeds(folder)
        (folder / "done").touch()
    search, train = folder / "search", folder / "train"

    def genotype(path: Path) -> None:
        found = validate(Genotype.load(path), str(path))
        skeleton = fit_skeleton(SKELETONS["cifar"].with_size(1, 8, 8), found)
        check_genotype(found, skeleton)

    def string(path: Path) -> None:
        validate(read_benchmark_string(path.read_text("utf-8", "surrogateescape")))

    def config(command: str, kind: Any) -> Callable[[Path], Any]:
        words = ["g.json"] if command == "train" else []
        return lambda path: parse(command, kind, [*words, "--config", str(path)], presets=command)

    found = [
        Format("genotype", tuple((folder / "genotypes").iterdir()), json_damage, genotype, "g.json"),
        Format("string of NAS-Bench-201", (folder / "string.txt",), text_damage, string, "g.txt"),
        Format(
            "configuration of a search",
            (search / "config.yaml",),
            _yaml_damage,
            config("search", SearchConfig),
            "c.yaml",
        ),
        Format(
            "configuration of a training",
            (train / "config.yaml",),
            _yaml_damage,
            config("train", TrainConfig),
            "c.yaml",
        ),
        Format(
            "model.safetensors", (train / "model.safetensors",), _model_damage, load_model, "m.safetensors"
        ),
    ]
    found += _run_files(search, train)
    found += _data_files(folder)
    found += [
        Format(
            "checkpoint of a search",
            (folder / "stopped" / "search.pt",),
            _checkpoint_damage,
            _search_reader(folder),
            "checkpoints/last.pt",
            search,
            writes=True,
        ),
        Format(
            "checkpoint of a training",
            (folder / "stopped" / "train.pt",),
            _checkpoint_damage,
            _train_reader(folder),
            "checkpoints/last.pt",
            train,
            writes=True,
        ),
    ]
    return found


def _run_files(search: Path, train: Path) -> list[Format]:
    """Return the files of run folders, which pages and comparisons read."""
    from autodas.errors import AutodasError
    from autodas.report import cells_of_run, read_method_run, skeleton_of_run
    from autodas.report.page import find_runs, render_page
    from autodas.report.watch import WatchServer

    def page(path: Path) -> None:
        place = path.parent
        render_page(find_runs([place])).encode()
        with WatchServer([place.parent], port=0) as server:
            server.runs.names()
            for name in server.runs.names():
                run = server.runs.folder(name)
                if run is not None:
                    server.page_of(name, run).main.encode()
        skeleton_of_run(place)

    def log(path: Path) -> None:
        page(path)
        with contextlib.suppress(AutodasError):
            cells_of_run(path.parent)
        read_method_run("m", 0, path.parent, train)

    def summary(path: Path) -> None:
        page(path)
        runs = (
            (path.parent, train)
            if "accuracies" in path.read_text("utf-8", "replace")
            else (search, path.parent)
        )
        read_method_run("m", 0, *runs)

    found = []
    for run, name, damage, read in (
        (search, "events.jsonl", lines_damage, log),
        (train, "events.jsonl", lines_damage, page),
        (search, "metrics.csv", text_damage, page),
        (search, "summary.json", json_damage, summary),
        (train, "summary.json", json_damage, summary),
        (search, "environment.json", json_damage, page),
        (search, "split.json", json_damage, page),
        (search, "config.yaml", _yaml_damage, page),
        (search, "genotype.json", json_damage, page),
        (train, "predictions.parquet", _parquet_damage, page),
        (train, "examples/index.json", json_damage, lambda path: page(path.parent)),
    ):
        if (run / name).exists():
            found.append(Format(f"{name} of a {run.name}", (run / name,), damage, read, name, run))
    return found


def _data_files(folder: Path) -> list[Format]:
    from autodas.data import open_dataset, read_image

    def dataset(kind: str, **options: Any) -> Callable[[Path], Any]:
        def read(path: Path) -> None:
            data = open_dataset(f"{kind}:{path}", max_bad=1.0, **options)
            for index in range(min(3, len(data.train))):
                data.train.read(index)

        return read

    def beside(kind: str, **options: Any) -> Callable[[Path], Any]:
        read = dataset(kind, **options)
        return lambda path: read(path.parent)

    def picture(path: Path) -> None:
        read_image(path, channels=3, image_size=16)

    cifar = folder / "cifar"
    found = [
        Format(
            "Parquet of pictures", (folder / "p.parquet",), _parquet_damage, dataset("parquet"), "p.parquet"
        ),
        Format(
            "pickle of CIFAR-10",
            (cifar / "data_batch_1",),
            _pickle_damage,
            beside("cifar10"),
            "data_batch_1",
            cifar,
        ),
        Format(
            "names of CIFAR-10",
            (cifar / "batches.meta",),
            _pickle_damage,
            beside("cifar10"),
            "batches.meta",
            cifar,
        ),
        *(
            Format(f"picture, {path.suffix[1:]}", (path,), damaged_bytes, picture, f"p{path.suffix}")
            for path in sorted((folder / "pictures").iterdir())
        ),
    ]
    return found + _video_files(folder)


def _video_files(folder: Path) -> list[Format]:
    try:
        import av  # noqa: F401
    except ImportError:
        return []
    from autodas.data import Clips, open_dataset, read_clips

    def video(path: Path) -> None:
        read_clips(path, channels=3, image_size=16, clips=Clips(4, 1), number=2, modality="rgb")

    def listed(path: Path) -> None:
        open_dataset(f"videolist:{path}#{folder / 'videos'}", frames=4, image_size=16, max_bad=1.0)

    def classes(path: Path) -> None:
        listed(path.parent / "train.csv")

    lists = folder / "lists"
    return [
        *(
            Format(f"video, {path.suffix[1:]}", (path,), damaged_bytes, video, f"v{path.suffix}")
            for path in sorted((folder / "videos").iterdir())
        ),
        Format("list, CSV", (lists / "train.csv",), text_damage, listed, "train.csv", lists),
        Format("list, text", (lists / "train.txt",), text_damage, listed, "train.txt", lists),
        Format("classes.txt", (lists / "classes.txt",), text_damage, classes, "classes.txt", lists),
    ]


# Damage of formats with a structure of their own.


def _load_yaml(content: bytes) -> Any:
    import yaml

    return yaml.safe_load(content)


def _dump_yaml(data: Any) -> bytes:
    import yaml

    return yaml.safe_dump(data, sort_keys=False).encode()


_structured_yaml = structured(_load_yaml, _dump_yaml)
_YAML_TRICKS = (
    b"a: &a [*a]\n",
    b"<<: 3\n",
    b"<<: [3, 4]\n",
    b"epochs: !!bool maybe\n",
    b"epochs: !!timestamp x\n",
    b"epochs: !!python/object/apply:os.system ['touch executed']\n",
    b"? [a, b]\n: 3\n",
    b"? {a: 1}\n: 3\n",
    b"epochs: " + b"[" * 3000,
    b"a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n",
    b"--- a\n--- b\n",
    b"!!binary: x\n",
    b"%YAML 9.9\n---\na: 1\n",
)


def _yaml_damage(content: bytes, random: Random) -> bytes:
    if random.random() < 0.1:
        return random.choice((content, b"")) + random.choice(_YAML_TRICKS)
    if random.random() < 0.3:
        return text_damage(content, random)
    return _structured_yaml(content, random)


def _model_damage(content: bytes, random: Random) -> bytes:
    """Damage the header, the description inside it, or bytes."""
    kind = random.random()
    if kind < 0.3:
        return damaged_bytes(content, random)
    (length,) = struct.unpack("<Q", content[:8])
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind < 0.8:
        facts = json.loads(header["__metadata__"]["autodas"])
        header["__metadata__"]["autodas"] = json.dumps(damaged_data(facts, random))
    else:
        header = damaged_data(header, random)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def _checkpoint_damage(content: bytes, random: Random) -> bytes:
    """Damage the state, plant a payload, or damage bytes."""
    import torch

    kind = random.random()
    if kind < 0.35:
        return damaged_bytes(content, random)
    whole = torch.load(io.BytesIO(content), weights_only=True)
    if kind < 0.45:
        place = whole["state"]
        while random.random() < 0.5 and isinstance(place, dict) and place:
            inside = place[random.choice(list(place))]
            place = inside if isinstance(inside, dict) else place
        if isinstance(place, dict):
            place[random.choice(["x", *place])] = Payload()
    elif kind < 0.6:
        _damage_tensor(whole, random)
    else:
        part = "state" if random.random() < 0.9 else random.choice(list(whole))
        whole[part] = damaged_data(whole[part], random)
    buffer = io.BytesIO()
    torch.save(whole, buffer, _use_new_zipfile_serialization=random.random() < 0.95)
    return buffer.getvalue()


def _damage_tensor(whole: Any, random: Random) -> None:
    """Put a tensor of another shape, kind or content in place of one."""
    import torch

    places: list[tuple[Any, Any]] = []
    todo = [whole]
    while todo:
        holder = todo.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            if isinstance(holder[key], torch.Tensor):
                places.append((holder, key))
            elif isinstance(holder[key], dict | list):
                todo.append(holder[key])
    holder, key = random.choice(places)
    tensor = holder[key]
    holder[key] = random.choice(
        (
            tensor[None],
            tensor.flatten()[:-1],
            tensor.to(torch.int64),
            tensor.to(torch.complex64),
            torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor * 0,
            torch.zeros(0),
            torch.zeros(1).expand(10**9),
        )
    )


def _pickle_damage(content: bytes, random: Random) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return damaged_bytes(content, random)
    data = pickle.loads(content, encoding="bytes")  # our own seed
    if kind < 0.6:
        data[random.choice(list(data))] = Payload()
    elif kind < 0.7:
        # Numbers of objects that do not exist, lengths of texts that are not there.
        return random.choice(
            (
                b"\x80\x02]r\xff\xff\xff\x7f.",
                b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
                b"T\xff\xff\xff\x7f.",
                b"(lp9999999\n.",
            )
        )
    else:
        data = damaged_data(data, random)
    return pickle.dumps(data, random.choice((0, 1, 2, 4)))


def _parquet_damage(content: bytes, random: Random) -> bytes:
    """Damage columns, their types and the metadata, or bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if random.random() < 0.6:
        return damaged_bytes(content, random)
    table = pq.read_table(io.BytesIO(content))
    place = random.randrange(table.num_columns)
    name, column = table.column_names[place], table.column(place)
    others: tuple[Any, ...] = (
        pa.nulls(len(table)),
        pa.array([random.choice((0, 1, -1, 10**12)) for _ in range(len(table))]),
        pa.array([random.choice(("a", "", "é")) for _ in range(len(table))]),
        pa.array([[1, 2]] * len(table)),
        pa.array([{"bytes": b"x", "path": None}] * len(table)),
        pa.array([0.5] * len(table)),
        pa.array([b"\xff\xfe"] * len(table)),
        column.dictionary_encode() if not pa.types.is_nested(column.type) else column,
    )
    kind = random.randrange(5)
    if kind == 0:
        table = table.set_column(place, name, random.choice(others))
    elif kind == 1:
        table = table.rename_columns([random.choice(("image", "label", "x")) for _ in table.column_names])
    elif kind == 2:
        table = table.slice(0, random.choice((0, 1)))
    else:
        notes = (table.schema.metadata or {}).get(
            b"huggingface", b'{"info": {"features": {"label": {"names": ["a"]}}}}'
        )
        changed = random.choice(
            (b"null", b"[]", b"\xff", b"3", json.dumps(damaged_data(json.loads(notes), random)).encode())
        )
        table = table.replace_schema_metadata(
            {b"huggingface": changed, b"classes": random.choice((b"a\nb", b"", b"\xff"))}
        )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=random.choice((5, 100)))
    return buffer.getvalue()


# Readers that need more than a path.


def _search_reader(folder: Path) -> Callable[[Path], Any]:
    from autodas.cli._configuration import parse
    from autodas.cli.search import SearchConfig, run_search

    words = ["--config", str(folder / "search" / "config.yaml"), "--quiet", "--check_memory=false"]

    def read(path: Path) -> None:
        run = path.parent.parent
        (run / "summary.json").unlink(missing_ok=True)
        run_search(
            parse("search", SearchConfig, [*words, "--run", str(run), "--resume", "auto"], presets="search")
        )

    return read


def _train_reader(folder: Path) -> Callable[[Path], Any]:
    from autodas.cli._configuration import parse
    from autodas.cli.train import TrainConfig, run_train

    words = [str(folder / "search"), "--config", str(folder / "train" / "config.yaml"), "--quiet"]

    def read(path: Path) -> None:
        run = path.parent.parent
        (run / "summary.json").unlink(missing_ok=True)
        run_train(
            parse("train", TrainConfig, [*words, "--run", str(run), "--resume", "auto"], presets="train")
        )

    return read


# Seeds.

SIZE = 12
"""Pictures of a class."""


def _make_seeds(folder: Path) -> None:
    from autodas.zoo import load_zoo

    random = np.random.default_rng(0)
    for kind in ("set/a", "set/b", "genotypes", "pictures", "stopped", "cifar", "lists", "videos"):
        (folder / kind).mkdir(parents=True)
    for name in ("darts_v2", "nasnet"):
        load_zoo(name).save(folder / "genotypes" / f"{name}.json")
    (folder / "string.txt").write_text(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    )
    _make_pictures(folder, random)
    _make_videos(folder, random)
    _make_runs(folder)


def _make_pictures(folder: Path, random: np.random.Generator) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

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
    picture = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    for ending in ("jpg", "png", "bmp", "gif", "webp", "tif", "ppm", "jp2"):
        picture.save(folder / "pictures" / f"p.{ending}")
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


def _make_runs(folder: Path) -> None:
    from autodas.cli._configuration import parse
    from autodas.cli.search import SearchConfig, run_search
    from autodas.cli.train import TrainConfig, run_train

    common = [f"--data=imagefolder:{folder / 'set'}", "--batch_size=4", "--quiet", "--tensorboard=false"]
    words = [
        *common,
        "--space.K=0",
        "--space.C1=16",
        "--space.C2=64",
        "--check_memory=false",
        "--strategy=sdas-b",
    ]
    search = [*words, "--epochs=2", f"--run={folder / 'search'}"]
    run_search(parse("search", SearchConfig, search, presets="search"))
    shutil.copy(folder / "search" / "checkpoints" / "last.pt", folder / "stopped" / "search.pt")
    words = [str(folder / "search"), *common, "--skeleton.K=0", "--skeleton.C1=16", "--skeleton.C2=64"]
    train = [*words, "--epochs=2", "--auxiliary=false", f"--run={folder / 'train'}"]
    run_train(parse("train", TrainConfig, train, presets="train"))
    shutil.copy(folder / "train" / "checkpoints" / "last.pt", folder / "stopped" / "train.pt")
