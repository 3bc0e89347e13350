"""Checkpoints are complete or absent, and nothing in a file is ever executed."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autodas.errors import AutodasError
from autodas.loop import load_checkpoint, save_checkpoint
from autodas.loop.checkpoint import FORMAT, VERSION
from autodas.writing import write_whole


def state() -> dict[str, Any]:
    return {
        "iteration": 7,
        "weights": {"a.b": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2, dtype=torch.bfloat16)},
        "decisions": {"normal": {"kept": {3: (5, 6)}, "operation": {0: 1}}},
        "loss": 0.1,
        "nothing": None,
        "names": ["x", "y"],
        "done": True,
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.pt"
    save_checkpoint(path, "search", state())
    return path


def refused(path: Path, command: str = "search") -> str:
    with pytest.raises(AutodasError) as caught:
        load_checkpoint(path, command)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_round_trip(saved: Path) -> None:
    loaded, expected = load_checkpoint(saved, "search"), state()
    tensors, expected_tensors = loaded.pop("weights"), expected.pop("weights")
    assert loaded == expected
    assert tensors.keys() == expected_tensors.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == expected_tensors[name].dtype
        assert torch.equal(tensor, expected_tensors[name])
    assert list(saved.parent.iterdir()) == [saved]


def test_truncated_anywhere(saved: Path) -> None:
    content = saved.read_bytes()
    lengths = {*range(80), *range(80, len(content), 23), *range(len(content) - 80, len(content))}
    for length in sorted(lengths):
        saved.write_bytes(content[:length])
        refused(saved)


@pytest.mark.parametrize("seed", range(4))
def test_noise(tmp_path: Path, seed: int) -> None:
    draw, path = random.Random(seed), tmp_path / "noise.pt"
    for length in (1, 2, 3, 5, 10, 50, 400) * 12:
        path.write_bytes(draw.randbytes(length))
        refused(path)


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    for content in (b"", b"{}", b"hello, world\n", b"PK\x03\x04", b"\x80\x02.", b".", b"0", b"(lp0\n."):
        path.write_bytes(content)
        refused(path)
    path.write_bytes(pickle.dumps({"format": FORMAT, "version": VERSION}, 2))
    refused(path)
    np.savez(tmp_path / "foreign.npz", a=np.ones(3))
    refused(tmp_path / "foreign.npz")
    for value in ([1, 2], {"weights": torch.ones(2)}, torch.ones(2), {"format": "other"}, 3, None):
        torch.save(value, path)
        assert "not a checkpoint of autodas" in refused(path)
    refused(tmp_path)  # a folder
    assert "the checkpoint is missing" in refused(tmp_path / "absent.pt")


class Malice:
    """What an attacker sends: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


class Shell:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("attack", [Malice, Shell])
def test_nothing_is_executed(tmp_path: Path, attack: type) -> None:
    mark, path = tmp_path / "executed", tmp_path / "last.pt"
    harmful = attack(mark)
    whole = {"format": FORMAT, "version": VERSION, "command": "search", "state": {"x": harmful}}
    for content in (harmful, whole, [harmful]):
        path.write_bytes(pickle.dumps(content, 2))
        refused(path)
        torch.save(content, path)
        refused(path)
        torch.save(content, path, _use_new_zipfile_serialization=False)
        refused(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the attack is a real one"


def test_another_command(saved: Path) -> None:
    message = refused(saved, "train")
    assert "autodas search" in message
    assert "autodas train" in message


def test_another_version(saved: Path) -> None:
    torch.save({"format": FORMAT, "version": VERSION + 1, "command": "search", "state": {}}, saved)
    assert f"format {VERSION + 1}" in refused(saved)


def full_disk(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_full_while_flushing(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(AutodasError, match=r"No space left on device.*is kept") as caught:
            save_checkpoint(saved, "search", {"iteration": 8})
    assert str(saved) in str(caught.value)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    save_checkpoint(saved, "search", {"iteration": 8})  # later there is room again
    assert load_checkpoint(saved, "search") == {"iteration": 8}


def test_disk_full_while_replacing(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(AutodasError, match="No space left"):
        save_checkpoint(saved, "search", {})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full(saved: Path) -> None:
    before = saved.read_bytes()
    # Writing to the temporary file meets a real ENOSPC from the kernel.
    (saved.parent / "last.pt.tmp").symlink_to("/dev/full")
    with pytest.raises(AutodasError, match="No space left on device"):
        save_checkpoint(saved, "search", {"big": torch.zeros(100_000)})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_the_first_checkpoint_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(AutodasError) as caught:
        save_checkpoint(tmp_path / "last.pt", "search", {})
    assert "kept" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_flushed_to_the_disk_before_it_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("sync"), real_sync(file))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), real_replace(a, b))[1])
    write_whole(tmp_path / "file", "text")
    assert calls == ["sync", "replace"]
    assert (tmp_path / "file").read_text() == "text"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(json.dumps({}))
    for path in (tmp_path / "absent" / "x", tmp_path / "file" / "x", tmp_path):
        with pytest.raises(AutodasError, match="cannot be written"):
            write_whole(path, b"")
