"""Comparison of what all processes of a run must have alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.loop._group import Group


def check_same_facts(group: Group, what: str, own_facts: Mapping[str, object]) -> None:
    """Check that the processes of a run were started alike.

    Args:
        group: the processes.
        what: noun phrase for the facts, in messages, such as ``"other settings"``.
        own_facts: names and values of the facts of this process.

    Raises:
        AutodasError: in all processes, if a fact differs; the message names the first one.
    """
    first, *others = group.gather({name: str(value) for name, value in own_facts.items()})
    for rank, own in enumerate(others, 1):
        for name in dict.fromkeys([*first, *own]):
            if own.get(name) != first.get(name):
                there, here = (facts.get(name, "none") for facts in (first, own))
                raise AutodasError(
                    f"process {rank} of this run has {what} than process 0 ({name}: {here} in place of "
                    f"{there}): start all processes alike"
                )


def check_same_tensors(group: Group, tensors: Callable[[], Mapping[str, Tensor]], when: str) -> None:
    """Compare tensors, such as parameters, over all processes, by hash.

    Args:
        group: the processes.
        tensors: function that returns tensors of this process by name, the most telling ones first.
        when: when they became different if they are, such as ``"since epoch 3"``.

    Raises:
        AutodasError: in all processes, if a tensor differs; the message names the first one.
    """
    if group.size == 1:
        return
    first, *others = group.gather({name: digest(tensor) for name, tensor in tensors().items()})
    for rank, own in enumerate(others, 1):
        different = [name for name in dict.fromkeys([*first, *own]) if own.get(name) != first.get(name)]
        if different:
            more = f" (and {len(different) - 1} more)" if len(different) > 1 else ""
            raise AutodasError(
                f"'{different[0]}'{more} differs between processes 0 and {rank} {when}: they no longer "
                "compute the same run; the last checkpoint is from before that. A method must draw the same "
                "numbers in all processes, from generators of its own"
            )


def digest(tensor: Tensor) -> str:
    """Return a hash of a tensor's bytes."""
    content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
    return hashlib.blake2b(content.numpy().data, digest_size=8).hexdigest()


def digest_of(value: object) -> int:
    """Return a hash of plain data, a number of 62 bits."""
    return int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=8).digest()) >> 2
