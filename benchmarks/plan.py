"""What is measured: each entry is a command and the file that it makes."""

from __future__ import annotations

from typing import NamedTuple

PLAIN = "python:benchmarks.plain_supernet:make_step"
ENGINES = f"--engines={PLAIN},reference,fused"
SMALL_BATCH = "--batch_size=8"


class Benchmark(NamedTuple):
    """One command.

    Args:
        name: of its result, ``results/NAME.json``.
        title: what it shows.
        words: of the command, after ``autodas bench``.
        gpu: whether it needs a GPU.
    """

    name: str
    title: str
    words: tuple[str, ...]
    gpu: bool = False


def _step(batch: int, threads: int, repeats: int) -> Benchmark:
    return Benchmark(
        f"step_batch{batch}_threads{threads}_cpu",
        f"One search iteration, CPU, batch {batch}, threads: {threads}",
        (
            "step",
            ENGINES,
            f"--batch_size={batch}",
            f"--compute.threads={threads}",
            f"--repeats={repeats}",
            "--compute.device=cpu",
        ),
    )


CHANNELS_LAST = Benchmark(
    "step_channels_last_cpu",
    "One search iteration, plain with channels last, CPU, batch 16, threads: 1",
    (
        "step",
        "--engines=python:benchmarks.plain_supernet:make_channels_last_step,fused",
        "--batch_size=16",
        "--compute.threads=1",
        "--repeats=5",
        "--compute.device=cpu",
    ),
)


def _dense_step(width: int) -> Benchmark:
    return Benchmark(
        f"step_nasbench201_c{width}_cpu",
        f"One search iteration, NAS-Bench-201, {width} channels, CPU, batch 64, threads: 1",
        (
            "step",
            "--engines=reference,fused",
            "--space=nasbench201",
            "--space.K=1",
            f"--space.C1={width}",
            f"--space.C2={4 * width}",
            "--batch_size=64",
            "--compute.threads=1",
            "--repeats=11",
            "--compute.device=cpu",
        ),
    )


def _growth(what: str, shown: str, *words: str) -> Benchmark:
    return Benchmark(
        f"growth_{what}_cpu",
        f"Growth with {shown}, CPU",
        (
            "growth",
            "--engines=reference,fused",
            f"--vary={what}",
            *words,
            "--repeats=2",
            "--compute.threads=1",
            "--compute.device=cpu",
        ),
    )


def _search(name: str, title: str, *words: str) -> Benchmark:
    return Benchmark(
        f"search_{name}_cpu", title, ("search", *words, "--compute.threads=1", "--compute.device=cpu")
    )


def _gpu_step(precision: str) -> Benchmark:
    return Benchmark(
        f"step_batch64_{precision}_gpu",
        f"One search iteration, GPU, batch 64, {precision}",
        (
            "step",
            ENGINES,
            "--batch_size=64",
            "--repeats=20",
            f"--compute.precision={precision}",
            "--compute.device=cuda",
        ),
        gpu=True,
    )


BENCHMARKS = (
    _step(16, 1, repeats=7),
    CHANNELS_LAST,
    _step(16, 2, repeats=5),
    # An iteration of the plain supernet takes most of a minute and 10 GiB here.
    _step(64, 1, repeats=1),
    _step(64, 2, repeats=2),
    _dense_step(8),
    _dense_step(16),
    _search(
        "fused_paper",
        "Whole searches by iteration, fused engine and plain DAS, the paper's network, CPU",
        f"--strategies={PLAIN},das,sdas-a,sdas-b,sdas-c",
        "--space.K=2",
        "--space.C1=48",
        "--space.C2=64",
        "--batch_size=16",
        "--image_size=32",
        "--seeds=3",
    ),
    _search("fused_small", "Whole searches by iteration, fused engine, 5 cells of 8 channels, CPU"),
    _search(
        "reference_small",
        "Whole searches by iteration, reference engine, 5 cells of 8 channels, CPU",
        "--engine=reference",
    ),
    _growth("batch_size", "the batch", "--values=4,8,16,32"),
    _growth("C2", "channels (C2 = 4 x width)", "--values=32,64,128", SMALL_BATCH),
    _growth("K", "cells (3K + 2)", "--values=1,2,4", SMALL_BATCH),
    _growth("image_size", "the size of pictures", "--values=16,32,64", SMALL_BATCH),
    _gpu_step("fp32"),
    _gpu_step("bf16"),
)
