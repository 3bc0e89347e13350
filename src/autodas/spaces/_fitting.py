"""Choice of the skeleton's form for a genotype whose kinds differ from the requested ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces._skeleton import SKELETONS, Skeleton, Stage


def fit_skeleton(skeleton: Skeleton, genotype: Genotype) -> Skeleton:
    """Return the form of a skeleton in which a genotype is built.

    A genotype with stage graphs is built in the skeleton's graph form; their cells then replace K chained
    ones. A genotype whose stages have cells of their own (``normal1``, ``normal2``, ...) fits if one common
    kind was requested (``normal``), and vice versa. Anything else is unchanged.

    Args:
        skeleton: the requested skeleton.
        genotype: the architecture.
    """
    if genotype.stages and not skeleton.graphs:
        skeleton = graph_form(skeleton)
    if skeleton.graphs and genotype.stages:
        skeleton = replace(skeleton, K=longest(genotype.stages))
    return replace(skeleton, stages=_named(skeleton.stages, genotype.cells))


def graph_form(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton in which stage graphs wire the cells, with the same width and K.

    Raises:
        AutodasError: if the skeleton has none.
    """
    if skeleton.graphs:
        return skeleton
    name = f"{skeleton.name.partition('_')[0]}_graph"
    if name not in SKELETONS:
        raise AutodasError(f"skeleton '{skeleton.name}' has no form whose cells are wired by stage graphs")
    return SKELETONS[name].with_size(K=skeleton.K, C2=skeleton.C2)


def longest(stages: Mapping[str, CellGenotype]) -> int:
    """Return the number of cells of the longest of the given stage graphs."""
    return max(len(stage.nodes) for stage in stages.values())


def _named(stages: tuple[Stage, ...], kinds: Collection[str]) -> tuple[Stage, ...]:
    """Return stages whose kinds exist, if the difference is only a number at the end."""
    named, seen = [], dict[str, int]()
    for stage in stages:
        general = stage.kind.rstrip("0123456789")
        seen[general] = seen.get(general, 0) + 1
        candidates = (stage.kind, f"{general}{seen[general]}", general)
        kind = next((kind for kind in candidates if kind in kinds), stage.kind)
        named.append(replace(stage, kind=kind))
    return tuple(named)
