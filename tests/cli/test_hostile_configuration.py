"""Configurations that are meant to hang, to eat memory or to run something: one line each, at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autodas.cli.main import main
from autodas.strict_yaml import LARGEST


def bomb() -> str:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    start = time.process_time()
    assert main([*words]) == 2
    spent = time.process_time() - start
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert spent < 2
    return written.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs: &x [*x]", "c.yaml:1:9: not valid YAML: an alias contains itself"),
        ("data: &x {name: *x}", "an alias contains itself"),
        ("epochs: " + "[" * 5000, "nested more than 32 levels deep"),
        ("\n".join("  " * depth + "a:" for depth in range(200)), "nested more than 32 levels deep"),
        (bomb(), "more than 100,000 values"),
        ("tensorboard: !!bool maybe", "'maybe' is not of type bool"),
        ("epochs: !!int x", "'x' is not of type int"),
        ("epochs: !!seq 3", "not valid YAML"),
        ("epochs: !!map [1]", "not valid YAML"),
        ("epochs: !!timestamp 2001-01-01", "could not determine a constructor"),
        ("<<: 3", "not valid YAML: expected a mapping or list of mappings for merging"),
        ("? [a, b]\n: 3", "not valid YAML"),
        ("epochs: 1e30", "epochs: expected a whole number, found 1e+30"),
        ("epochs: 10000000000", "epochs: 10000000000 is too large, at most 1,000,000"),
        ("optim: {lr: .inf}", "optim.lr: expected a number"),
        ("#" * (LARGEST + 1), "larger than 131,072 bytes"),
    ],
)
def test_files(text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert expected in refused(capsys, "search", "--config", str(path))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_file_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert "larger than" in refused(capsys, "search", "--config", "/dev/zero")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--epochs", "1e30"], "--epochs: expected a whole number, found '1e30'"),
        (["--epochs", "1" + "0" * 30], "--epochs: "),
        (["--seed", "9" * 5000], "--seed: "),
        (["--batch_size", "99999999999"], "is too large, at most"),
        (["--optim.warmup_epochs", "1e300"], "is too large, at most"),
        (["--optim.lr", "nan"], "--optim.lr: expected a number"),
        (["--space.K", "1000000000"], "--space.K: 1000000000 is too large, at most 1,000 is possible"),
        (["--data.image_size", "1000000"], "is too large, at most"),
    ],
)
def test_options(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in refused(capsys, "search", *words)


def test_nothing_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark, path = tmp_path / "executed", tmp_path / "c.yaml"
    for tag in ("python/object/apply:os.system", "python/object/new:os.system"):
        path.write_text(f"epochs: !!{tag} ['touch {mark}']")
        assert "could not determine a constructor" in refused(capsys, "search", "--config", str(path))
    assert not mark.exists()


def test_aliases_are_fine_where_they_are_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("epochs: &n 7\nbatch_size: *n\noptim: {<<: {lr: 0.5}, momentum: 0.25}\n")
    assert main(["search", "--config", str(path), "--print_config"]) == 0
    out = capsys.readouterr().out
    assert "epochs: 7\nbatch_size: 7\n" in out
    assert "lr: 0.5\n" in out
