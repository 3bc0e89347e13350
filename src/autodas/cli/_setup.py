"""From configurations to arguments of the library. Needs torch; commands import it when they run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from autodas._version import __version__
from autodas.cli._resume import difference, flat
from autodas.cli._settings import ComputeConfig, DataConfig, LoopConfig, SkeletonConfig
from autodas.cli._streams import silent_libraries
from autodas.cli.config._configuration import dump
from autodas.cli.config._schema import tree
from autodas.data import Augmentation, ImageDataset, open_dataset
from autodas.errors import AutodasError, Interrupted
from autodas.flags import note_line
from autodas.kernels import GpuKernels, built_kernels, gpu_kernels
from autodas.launched import processes_here, restarts, start_time
from autodas.limits import MOST_THREADS
from autodas.loop import (
    ALONE,
    CellDrawings,
    Compute,
    Group,
    Keeping,
    best_device,
    check_precision,
    check_same_facts,
    limit_threads,
    own_device,
    start_group,
    use_deterministic,
    use_single_precision,
)
from autodas.reading import Fields, Whole
from autodas.runs.folder import CONFIGURATION, ENVIRONMENT, SUMMARY, RunFolder
from autodas.spaces import Skeleton, get_skeleton
from autodas.tables import Table

SMALL = 2 * 10**11
"""Multiply-adds of all forward passes of a run below which ``auto`` does not take a GPU.

With the backward passes they take about two minutes on one CPU core (measured: 55 billion in 30 s, a search
on digits). A GPU takes about one to compile its kernels and to record iterations (estimated)."""


def use_compute(config: ComputeConfig) -> torch.device:
    """Set threads, determinism and the current device, and return the device."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif processes_here() > 1 and os.environ.get("OMP_NUM_THREADS", "1") == "1":
        # torchrun sets the variable to 1.
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes_here()))
    use_deterministic(config.deterministic)
    use_single_precision()
    device = best_device(own_device(config.device))
    check_precision(device, config.precision)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def connect(command: str, config: Any, device: torch.device) -> Group:
    """Return the processes that compute a run together, after comparing their versions and settings.

    Args:
        command: name of the command.
        config: its configuration.
        device: device returned by :func:`use_compute`.

    Raises:
        AutodasError: if they cannot be connected, or were not started alike.
    """
    # The gloo of torch 2.8 announces each connection.
    with silent_libraries():
        group = start_group(device)
    if group.size > 1:
        versions = {"autodas": __version__, "torch": torch.__version__, "kind of device": device.type}
        check_same_facts(group, "other versions", versions)
        check_same_facts(group, "other settings", {"command": command, **flat(tree(config))})
    return group


def device_for(
    config: ComputeConfig, device: torch.device, cost: Callable[[], int], *, samples: int, batch_size: int
) -> torch.device:
    """Return the device of a run, and set the number of threads of a small one.

    ``auto`` takes the CPU, and says so, where a GPU would take longer. On a CPU a thread has at least
    :data:`~autodas.loop.FOR_A_THREAD` multiply-adds of a batch, unless the user has chosen the number.

    Args:
        config: the user's choice.
        device: device returned by :func:`use_compute`.
        cost: function that returns the multiply-adds of the forward pass of a sample.
        samples: number of forward passes of a sample.
        batch_size: samples of an iteration.
    """
    cost = cache(cost)
    if device.type != "cpu":
        if config.device != "auto" or cost() * samples >= SMALL:
            return device
        print(
            "this run is so small that the GPU would take longer to start: it computes on the CPU "
            "(--compute.device cuda takes the GPU)",
            file=sys.stderr,
        )
    if config.threads is None:
        limit_threads(lambda: cost() * batch_size)
    return torch.device("cpu")


def compute_of(config: LoopConfig, device: torch.device, group: Group) -> Compute:
    """Return the device and the compute settings of a search or a training.

    Args:
        config: configuration of the command.
        device: device returned by :func:`use_compute`.
        group: processes returned by :func:`connect`.
    """
    return Compute(
        device,
        config.compute.precision,
        config.compute.graphs,
        config.micro_batches,
        config.data.workers,
        group=group,
    )


def keeping_of(
    config: LoopConfig,
    folder: RunFolder,
    resumed: bool,
    pictures: CellDrawings | None = None,
    table: Table | None = None,
) -> Keeping:
    """Return the settings for the records of a search or a training.

    Args:
        config: configuration of the command.
        folder: run folder.
        resumed: whether the run is resumed.
        pictures: function that draws cells for TensorBoard.
        table: table in which a search looks up what it would derive.
    """
    return Keeping(
        folder, config.checkpoint_every, resumed, config.tensorboard, pictures, table, config.quiet
    )


def tell_kernels(device: torch.device) -> None:
    """Report on standard error if kernels, which the user could have, are missing, or compiled first."""
    if device.type == "cuda":
        _tell_gpu_kernels(gpu_kernels(device))
        return
    built = built_kernels() if device.type == "cpu" else None
    if built is not None and built.library is None and not built.chosen:
        print(
            f"kernels could not be compiled; searches take two to three times as long: {built.how}",
            file=sys.stderr,
        )


def _tell_gpu_kernels(kernels: GpuKernels) -> None:
    if kernels.module is None and not kernels.chosen:
        print(f"kernels for GPUs do not work here; searches take longer: {kernels.how}", file=sys.stderr)
    elif kernels.new:
        print("compiling kernels for this GPU: the first iterations take longer this time", file=sys.stderr)


def open_data(config: DataConfig, seed: int) -> tuple[ImageDataset, Augmentation]:
    """Open a data set and print its notes; return it with the augmentation of its training samples."""
    dataset = open_dataset(config.name, config.options, seed=seed)
    say_notes(dataset.notes)
    return dataset, augmentation_of(config, dataset)


def augmentation_of(config: DataConfig, dataset: ImageDataset) -> Augmentation:
    """Return the augmentation of training samples: the user's settings, else the data set's defaults."""
    own = dataset.default_augmentation
    padding, resized = config.crop_padding, config.random_resized_crop
    # The two kinds of crops are mutually exclusive: requesting one turns off the data set's default.
    if padding is None:
        padding = 0 if resized else own.crop_padding
    if resized is None:
        resized = own.random_resized_crop and not padding
    return replace(
        own,
        crop_padding=padding,
        flip=own.flip if config.flip is None else config.flip,
        cutout=config.cutout,
        random_resized_crop=resized,
        color_jitter=config.color_jitter,
    )


def say_notes(notes: Iterable[str]) -> None:
    """Print notes on standard error."""
    for note in notes:
        print(note_line(note), file=sys.stderr)


def skeleton_of(config: SkeletonConfig) -> Skeleton:
    """Return the configured skeleton with its size."""
    skeleton = get_skeleton(config.name).with_size(config.K, config.C1, config.C2)
    return skeleton if config.pool_norm is None else replace(skeleton, pool_norm=config.pool_norm)


def choose_folder(
    command: str, config: Any, default_name: str, group: Group = ALONE
) -> tuple[RunFolder, bool]:
    """Return the run folder, and whether it has a checkpoint to resume from. Write nothing yet.

    A run that was stopped before its first checkpoint starts again, with the same number of threads.

    Args:
        command: name of the command.
        config: configuration of the command, with ``run``, ``resume`` and ``overwrite``.
        default_name: name of the folder under ``runs`` if the user gives none; the time is appended.
        group: processes of the run, of which the first one chooses.

    Raises:
        AutodasError: if the folder holds another run, or one in progress; nothing is lost.
        SystemExit: if the run is finished and its processes have been started again for nothing.
    """
    path, resumed, threads, finished = group.from_first(lambda: _choose(command, config, default_name))
    if finished:
        print(f"{path}: this run is finished", file=sys.stderr)
        raise SystemExit(0)
    if threads is not None:
        torch.set_num_threads(threads)
    return RunFolder(path), resumed


class _Chosen(NamedTuple):
    """A run folder, whether it has a checkpoint, the number of threads of its run, whether it is finished."""

    path: Path
    resumed: bool = False
    threads: int | None = None
    finished: bool = False


def _choose(command: str, config: Any, default_name: str) -> _Chosen:
    started = time.strftime("%Y%m%d-%H%M%S", time.localtime(start_time()))
    folder = RunFolder(config.run or f"runs/{default_name}-{started}")
    if not _resumes(folder, config):
        folder.check(overwrite=config.overwrite)
        return _Chosen(folder.path)
    folder.check_free()
    changed = difference(command, folder.path / CONFIGURATION, config)
    if changed:
        raise AutodasError(
            f"{folder.path}: this run was started with other settings ({changed}); "
            "resume it with the same settings"
        )
    if folder.finished:
        # A run killed at its very end may have left its lock behind.
        with suppress(AutodasError), folder.locked():
            pass
        if _begun_before_restart(folder.path / SUMMARY):
            return _Chosen(folder.path, finished=True)
        raise AutodasError(f"{folder.path}: this run is finished; there is nothing to resume")
    if os.path.exists(folder.checkpoint):
        return _Chosen(folder.path, resumed=True)
    if os.path.exists(folder.path / ENVIRONMENT):
        facts = folder.read_json(ENVIRONMENT)
        Fields({}, {"threads": Whole(1, MOST_THREADS)}).check(facts, str(folder.path / ENVIRONMENT))
        return _Chosen(folder.path, threads=facts.get("threads"))
    return _Chosen(folder.path)


def _resumes(folder: RunFolder, config: Any) -> bool:
    """Return whether the run in a folder goes on: as the user wants, or because its launcher restarts it."""
    if not os.path.exists(folder.path / CONFIGURATION):
        return False  # nothing there, or a run that was made in Python
    return config.resume != "never" or _begun_before_restart(folder.path / CONFIGURATION)


def _begun_before_restart(file: Path) -> bool:
    """Return whether the launcher has started the processes again, and they had written a file before."""
    return restarts() > 0 and file.stat().st_mtime >= start_time()


@contextmanager
def open_folder(folder: RunFolder, config: Any, group: Group) -> Iterator[None]:
    """Lock the folder for this run and write its configuration, unless the run is resumed.

    Args:
        folder: the run folder.
        config: configuration of the command.
        group: processes of the run, of which the first one holds the lock.

    Raises:
        AutodasError: if another process uses the folder.
        Interrupted: after Ctrl-C or a termination signal, with instructions to resume.
    """
    with ExitStack() as opened:

        def begin() -> None:
            opened.enter_context(folder.locked())
            if not _resumes(folder, config):
                folder.create(overwrite=config.overwrite)
                folder.write(CONFIGURATION, dump(config))

        group.from_first(begin)
        try:
            yield
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; resume with --resume {folder.path}") from None
        except Interrupted as stopped:
            raise Interrupted(f"{stopped}; resume with --resume {folder.path}") from None
