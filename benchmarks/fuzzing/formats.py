"""Every kind of file that is read: good ones, how to damage them, and what reads them.

Another kind is one entry in :func:`formats`. The seeds are files that the program itself has written, or that
Pillow, PyAV and pyarrow have.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from damage import (
    checkpoint_damage,
    kept_damage,
    model_damage,
    npy_damage,
    parquet_damage,
    pickle_damage,
    stored_damage,
    yaml_damage,
)
from mutations import damaged_bytes, json_damage, lines_damage, text_damage
from seeds import make_seeds

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


def formats(folder: Path) -> list[Format]:
    """Return all formats, with seeds below a folder; they are made where they are not there yet."""
    from autodas.benchmark_string import read_benchmark_string
    from autodas.cli.config._configuration import parse
    from autodas.cli.search import SearchConfig
    from autodas.cli.train import TrainConfig
    from autodas.genotype import Genotype
    from autodas.networks._check import check_genotype
    from autodas.spaces import SKELETONS, fit_skeleton, validate
    from autodas.tables import open_table
    from autodas.training.model_file import load_model

    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make_seeds(folder)
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
        Format(
            "table of accuracies",
            (folder / "table.csv",),
            lines_damage,
            lambda path: open_table(f"nasbench201:{path}"),
            "t.csv",
        ),
        Format("string of NAS-Bench-201", (folder / "string.txt",), text_damage, string, "g.txt"),
        Format(
            "configuration of a search",
            (search / "config.yaml",),
            yaml_damage,
            config("search", SearchConfig),
            "c.yaml",
        ),
        Format(
            "configuration of a training",
            (train / "config.yaml",),
            yaml_damage,
            config("train", TrainConfig),
            "c.yaml",
        ),
        Format(
            "model.safetensors", (train / "model.safetensors",), model_damage, load_model, "m.safetensors"
        ),
    ]
    found += _run_files(search, train)
    found += _data_files(folder)
    found += [
        Format(
            "checkpoint of a search",
            (folder / "stopped" / "search.pt",),
            checkpoint_damage,
            _search_reader(folder),
            "checkpoints/last.pt",
            search,
            writes=True,
        ),
        Format(
            "checkpoint of a training",
            (folder / "stopped" / "train.pt",),
            checkpoint_damage,
            _train_reader(folder),
            "checkpoints/last.pt",
            train,
            writes=True,
        ),
    ]
    return found


def _run_files(search: Path, train: Path) -> list[Format]:
    """Return the files of run folders, which pages and comparisons read."""
    from autodas.data import open_dataset
    from autodas.errors import AutodasError
    from autodas.loop.run_data import changed_since, check_same_data, notes_of_run, trained_on
    from autodas.report import cells_of_run, read_method_run, skeleton_of_run
    from autodas.report.page import render_page
    from autodas.report.watch import WatchServer
    from autodas.runs._lock import RunLock
    from autodas.runs.finding import find_runs
    from autodas.runs.folder import RunFolder

    dataset = open_dataset(f"imagefolder:{search.parent / 'set'}")

    def data(path: Path) -> None:
        run = RunFolder(path.parent)
        notes_of_run(run.path)
        changed_since(run, dataset)
        trained_on(run, dataset)
        check_same_data(run, dataset)

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
        (search, "config.yaml", yaml_damage, page),
        (search, "genotype.json", json_damage, page),
        (train, "predictions.parquet", parquet_damage, page),
        (train, "examples/index.json", json_damage, lambda path: page(path.parent)),
        (search, "data.json", json_damage, data),
        (search.parent / "lock", "running.json", json_damage, lambda path: RunLock(path).check()),
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

    def bands(path: Path) -> None:
        read_image(path, channels=5, image_size=16, value_range=(0, 4095))

    cifar = folder / "cifar"
    found = [
        Format(
            "Parquet of pictures", (folder / "p.parquet",), parquet_damage, dataset("parquet"), "p.parquet"
        ),
        Format(
            "pickle of CIFAR-10",
            (cifar / "data_batch_1",),
            pickle_damage,
            beside("cifar10"),
            "data_batch_1",
            cifar,
        ),
        Format(
            "names of CIFAR-10",
            (cifar / "batches.meta",),
            pickle_damage,
            beside("cifar10"),
            "batches.meta",
            cifar,
        ),
        *(
            Format(
                f"picture, {path.suffix[1:]}",
                (path,),
                npy_damage if path.suffix == ".npy" else damaged_bytes,
                bands if path.suffix in (".npy", ".tiff") else picture,
                f"p{path.suffix}",
            )
            for path in sorted((folder / "pictures").iterdir())
        ),
    ]
    kept = folder / "kept"
    found.append(
        Format(
            "decoded pictures, kept",
            tuple(kept.glob("*/*.images"))[:1],
            kept_damage,
            lambda path: open_dataset(
                f"imagefolder:{folder / 'set'}", storage="cache", cache=str(path.parent.parent)
            ),
            str(next(kept.glob("*/*.images")).relative_to(kept)),
            kept,
            writes=True,
        )
    )
    found.append(
        Format(
            "list of pictures",
            (folder / "lists" / "images.csv",),
            text_damage,
            lambda path: open_dataset(f"imagelist:{path}#{folder / 'set'}", max_bad=1.0),
            "images.csv",
        )
    )
    return found + _video_files(folder)


def _video_files(folder: Path) -> list[Format]:
    try:
        import av  # noqa: F401
    except ImportError:
        return []
    from autodas.data import Clips, open_dataset, read_clips, store_folders

    def video(path: Path) -> None:
        read_clips(path, channels=3, image_size=16, clips=Clips(4, 1), number=2, modality="rgb")

    def listed(path: Path) -> None:
        open_dataset(f"videolist:{path}#{folder / 'videos'}", frames=4, image_size=16, max_bad=1.0)

    def classes(path: Path) -> None:
        listed(path.parent / "train.csv")

    def stored(path: Path) -> None:
        data = open_dataset(
            f"videolist:{lists / 'train.csv'}#{folder / 'videos'}",
            frames=4,
            image_size=16,
            max_bad=1.0,
            storage="compressed" if "-jpeg-" in path.parent.name else "cache",
            cache=str(path.parent.parent),
        )
        for index in range(len(data.train)):
            data.train.read(index)
        for each in store_folders(path.parent.parent):
            assert each.files

    def named(name: str) -> Callable[[Path], Any]:
        return lambda path: open_dataset(f"{name}:{path.parent}", frames=4, image_size=16, max_bad=1.0)

    lists = folder / "lists"
    return [
        *(
            Format(
                f"stored frames, {storage}, {path.name.partition('.')[2]}",
                (path,),
                stored_damage if path.suffix == ".frames" else json_damage,
                stored,
                str(path.relative_to(folder / storage)),
                folder / storage,
                writes=True,
            )
            for storage in ("cache", "compressed")
            for path in (
                next((folder / storage).glob("*/*.frames")),
                *(folder / storage).glob("*/store.json"),
            )
        ),
        *(
            Format(
                f"{path.name} of {name}",
                (path,),
                text_damage,
                named(name),
                path.name,
                folder / name,
            )
            for name in ("ucf101", "hmdb51", "kinetics10")
            for path in sorted((folder / name).glob("*.*"))
            if path.is_file()
        ),
        *(
            Format(f"video, {path.suffix[1:]}", (path,), damaged_bytes, video, f"v{path.suffix}")
            for path in sorted((folder / "videos").iterdir())
        ),
        Format("list, CSV", (lists / "train.csv",), text_damage, listed, "train.csv", lists),
        Format("list, text", (lists / "train.txt",), text_damage, listed, "train.txt", lists),
        Format("classes.txt", (lists / "classes.txt",), text_damage, classes, "classes.txt", lists),
    ]


def _search_reader(folder: Path) -> Callable[[Path], Any]:
    from autodas.cli.config._configuration import parse
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
    from autodas.cli.config._configuration import parse
    from autodas.cli.train import TrainConfig, run_train

    words = [str(folder / "search"), "--config", str(folder / "train" / "config.yaml"), "--quiet"]

    def read(path: Path) -> None:
        run = path.parent.parent
        (run / "summary.json").unlink(missing_ok=True)
        run_train(
            parse("train", TrainConfig, [*words, "--run", str(run), "--resume", "auto"], presets="train")
        )

    return read
