"""A folder for what can be made again, wherever the program runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autodas.cache_folder import cache_folder


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("AUTODAS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return monkeypatch


def test_where_it_is(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder("frames") == tmp_path / "home/.cache/autodas/frames"
    clean.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_folder("frames") == tmp_path / "shared/autodas/frames"
    clean.setenv("AUTODAS_CACHE", "~/own")
    assert cache_folder("frames") == tmp_path / "home/own/frames"
    assert (tmp_path / "home/own/frames").is_dir()


def test_a_home_that_cannot_be_written(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    clean.setenv("HOME", str(tmp_path / "file"))
    folder = cache_folder("kernels")
    assert folder == tmp_path / f"temporary/autodas-{os.getuid()}/kernels"
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_no_folder_that_others_can_write_to(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Compiled code is loaded from there.
    (tmp_path / "file").write_text("")
    clean.setenv("HOME", str(tmp_path / "file"))
    planted = tmp_path / f"temporary/autodas-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    assert cache_folder("kernels") is None
    planted.rmdir()
    (tmp_path / "elsewhere").mkdir()
    planted.symlink_to(tmp_path / "elsewhere")
    assert cache_folder("kernels") is None


def as_user(number: int, work: Callable[[], str]) -> str:
    """What a process of another user, who stands in no table, answers."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setgid(number)
            os.setuid(number)
            os.write(writing, work().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = file.read()
    os.waitpid(process, 0)
    return answer


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user")
def test_a_user_without_a_home_and_without_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTODAS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        assert as_user(54321, lambda: str(cache_folder("kernels"))) == f"{folder}/autodas-54321/kernels"
        monkeypatch.setattr(tempfile, "tempdir", "/proc")
        assert as_user(54321, lambda: str(cache_folder("kernels"))) == "None"
