"""Folders of exports: written whole or not at all, and never over what is no export."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.trained_networks import write_images_network

import autodas
from autodas.errors import AutodasError
from autodas.export._comparison import check_same_outputs, sample_inputs
from autodas.export._folder import new_folder


def export(path: Path, text: str, overwrite: bool = False) -> None:
    with new_folder(path, overwrite) as folder:
        (folder / "config.json").write_text(text)
        (folder / "model.safetensors").write_text(text)


def fail(path: Path, overwrite: bool = False) -> None:
    with new_folder(path, overwrite) as folder:
        (folder / "config.json").write_text("half of it")
        raise ZeroDivisionError


def test_a_new_folder_and_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where"
    with new_folder(path, False) as folder:
        assert not path.exists()
        (folder / "file").write_text("all of it")
    assert (path / "file").read_text() == "all of it"
    assert [*path.parent.iterdir()] == [path]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    export(tmp_path / "empty", "new")
    (tmp_path / "other").mkdir()
    export(tmp_path / "other", "new")
    assert (tmp_path / "other" / "config.json").read_text() == "new"


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "export"
    with pytest.raises(ZeroDivisionError):
        fail(path)
    assert not [*tmp_path.iterdir()]


def test_a_failure_keeps_the_earlier_export(tmp_path: Path) -> None:
    path = tmp_path / "export"
    export(path, "first")
    with pytest.raises(ZeroDivisionError):
        fail(path, overwrite=True)
    assert (path / "config.json").read_text() == "first"
    assert [*tmp_path.iterdir()] == [path]


def test_a_last_step_that_fails_keeps_the_earlier_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "export", Path.rename
    export(path, "first")

    def full(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(AutodasError, match="export: cannot be written: No space left on device"):
        export(path, "second", overwrite=True)
    assert (path / "config.json").read_text() == "first"
    assert [*tmp_path.iterdir()] == [path]


def test_replaced_on_request_alone(tmp_path: Path) -> None:
    path = tmp_path / "export"
    export(path, "first")
    with pytest.raises(AutodasError, match="already holds an export; replace it with `overwrite`"):
        export(path, "second")
    export(path, "second", overwrite=True)
    assert (path / "config.json").read_text() == "second"
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    file.write_text("")
    with pytest.raises(AutodasError, match="folder: not empty, and not an export"):
        export(folder, "text", overwrite=True)
    with pytest.raises(AutodasError, match="file: exists and is not a folder"):
        export(file, "text", overwrite=True)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(AutodasError, match="link: exists and is not a folder"):
        export(tmp_path / "link", "text", overwrite=True)
    assert (folder / "thesis.tex").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AutodasError, match=r"file/inside: cannot be written: "):
        export(tmp_path / "file" / "inside", "text")


@pytest.mark.parametrize("change", [1e-3, float("nan")])
def test_other_outputs_are_refused(tmp_path: Path, change: float) -> None:
    facts = write_images_network(tmp_path)
    network, _ = autodas.load_model(tmp_path)
    other, _ = autodas.load_model(tmp_path)
    check_same_outputs(network, other, [sample_inputs(facts)], tmp_path)
    with torch.no_grad():
        other.classifier.bias[1] += change
    with pytest.raises(AutodasError, match="not written: its outputs differ from those of the network: "):
        check_same_outputs(network, other, [sample_inputs(facts)], tmp_path)
