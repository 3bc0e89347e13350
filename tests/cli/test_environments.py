"""Commands where something is missing: streams, a compiler, a moment without signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from autodas.cli._setup import choose_folder, tell_kernels
from autodas.cli._streams import silent_libraries
from autodas.cli.config._configuration import dump, parse
from autodas.cli.main import main
from autodas.cli.search import SearchConfig
from autodas.cli.train import TrainConfig
from autodas.errors import AutodasError
from autodas.kernels import _build, built_kernels
from autodas.loop import tell_what_changed, what_computes, write_environment
from autodas.runs.folder import RunFolder

CPU = torch.device("cpu")


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line in which CLI stands for the program."""
    line = line.replace("CLI", f"'{sys.executable}' -m autodas")
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, check=False)


class TestStreams:
    @pytest.mark.slow
    def test_closed_streams(self) -> None:
        done = shell("CLI zoo list --json 2>&- <&-")
        assert done.returncode == 0
        assert done.stdout.startswith(b"[")
        done = shell("CLI zoo nothing 2>&-")
        assert (done.returncode, done.stdout) == (2, b"")
        assert shell("CLI zoo list >&-").returncode == 0

    @pytest.mark.slow
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_streams(self) -> None:
        done = shell("CLI zoo list >/dev/full")
        assert done.returncode == 2
        assert done.stderr == b"autodas: error: standard output: No space left on device\n"
        done = shell("CLI zoo nothing 2>/dev/full")
        assert (done.returncode, done.stdout) == (2, b"")

    @pytest.mark.slow
    def test_a_reader_that_leaves(self) -> None:
        done = shell("CLI zoo list --json | head -c 1")
        assert (done.stdout, done.stderr) == (b"[", b"")

    @pytest.mark.slow
    def test_characters_that_an_encoding_lacks(self) -> None:
        script = (
            "import sys; from autodas.cli._streams import prepare_streams; prepare_streams();"
            "print('é 中', '\\udcff'); print('é 中', '\\udcff', file=sys.stderr)"
        )
        for encoding, shown in (("ascii", b"\\xe9 \\u4e2d"), ("utf-8", "é 中".encode())):
            done = subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "PYTHONIOENCODING": encoding},
                capture_output=True,
                check=True,
            )
            assert done.stdout == done.stderr == shown + b" \\udcff\n"

    def test_progress_is_no_reason_to_end(self) -> None:
        script = (
            "import os, sys; from autodas.cli._streams import prepare_streams; prepare_streams();"
            "os.close(2); [print('epoch', i, file=sys.stderr, flush=True) for i in range(3)]; print('done')"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert (done.stdout, done.stderr) == (b"done\n", b"")

    def test_what_compiled_code_prints_is_no_result(self, capfd: pytest.CaptureFixture[str]) -> None:
        print("before", flush=True)
        with suppress(OSError), silent_libraries():
            os.write(1, b"[Gloo] Rank 0 is connected to 1 peer ranks.\n")
            raise OSError
        os.write(1, b"after\n")
        assert capfd.readouterr() == ("before\nafter\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_data_are_opened(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"signalled{number}.py").write_text(
        "import signal\ndef data(split):\n"
        f"    signal.raise_signal({int(number)})\n"
        "    raise AssertionError('went on')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["search", f"--data=python:signalled{number}:data", f"--run={tmp_path / 'run'}"]
    assert main(words) == 130
    assert capsys.readouterr().err == "autodas: interrupted\n"
    assert not (tmp_path / "run").exists()


@pytest.fixture
def unbuilt() -> Iterator[None]:
    built_kernels.cache_clear()
    yield
    built_kernels.cache_clear()


class TestKernels:
    @pytest.mark.parametrize(
        ("variable", "value", "reason"),
        [
            ("PATH", "", "there is no C compiler (cc, gcc or clang)"),
            ("CC", "false", "false fails"),
            ("CC", "no-such-compiler", "no-such-compiler: No such file or directory"),
        ],
    )
    def test_what_is_missing_is_told_and_written_down(
        self,
        unbuilt: None,
        variable: str,
        value: str,
        reason: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv(variable, value)
        tell_kernels(CPU)
        told = capsys.readouterr().err
        assert reason in told
        assert told.count("\n") == 1
        folder = RunFolder(tmp_path)
        write_environment(folder, CPU)
        assert folder.read_json("environment.json")["kernels"].startswith(f"plain ({reason}")

    def test_nothing_is_told_where_there_are_kernels_or_none_are_wanted(
        self, unbuilt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if built_kernels().library is None:
            pytest.skip("no compiler here")
        tell_kernels(CPU)
        assert what_computes(CPU)["kernels"].startswith("compiled (")
        built_kernels.cache_clear()
        monkeypatch.setenv("AUTODAS_KERNELS", "plain")
        tell_kernels(CPU)
        assert capsys.readouterr().err == ""

    @pytest.mark.slow
    def test_a_damaged_cache_is_made_anew(
        self, unbuilt: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(_build, "FLAGS", tuple(f.replace("-O3", "-O0") for f in _build.FLAGS))
        monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path / "whole"))
        if built_kernels().library is None:
            pytest.skip("no compiler here")
        (name,) = os.listdir(tmp_path / "whole/kernels")
        # Elsewhere: what is loaded once is not looked at again.
        monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path / "cut"))
        (tmp_path / "cut/kernels/building-old").mkdir(parents=True)
        (tmp_path / "cut/kernels" / name).write_bytes(b"\x7fELF cut")
        os.utime(tmp_path / "cut/kernels/building-old", (0, 0))
        built_kernels.cache_clear()
        assert built_kernels().library is not None
        assert os.listdir(tmp_path / "cut/kernels") == [name]

    def test_going_on_with_other_kernels_is_told(
        self, unbuilt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if built_kernels().library is None:
            pytest.skip("no compiler here")
        before = what_computes(CPU)
        tell_what_changed(before, CPU)
        tell_what_changed(None, CPU)  # a checkpoint of an older version does not say
        assert capsys.readouterr().err == ""
        built_kernels.cache_clear()
        monkeypatch.setenv("AUTODAS_KERNELS", "plain")
        tell_what_changed(before, CPU)
        told = capsys.readouterr().err
        assert f"kernels {before['kernels']} before, plain (AUTODAS_KERNELS=plain) now" in told
        assert "last bits may differ" in told


class TestGoingOn:
    @staticmethod
    def begun(path: Path, *words: str) -> tuple[SearchConfig, RunFolder]:
        words = ("--data=digits", "--resume=auto", f"--run={path}", *words)
        config = parse("search", SearchConfig, words, presets="search")
        folder = RunFolder(path).create()
        folder.write("config.yaml", dump(config))
        return config, folder

    def test_settings_are_compared_by_what_they_mean(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config, folder = self.begun(tmp_path / "run", "--data.subset=60", "--optim.lr=0.1")
        text = (folder.path / "config.yaml").read_text()
        folder.write("config.yaml", "# noted by hand\n" + text.replace("lr: 0.1\n", "lr: 1.0e-1\n"))
        assert choose_folder("search", config, "x")[0].path == folder.path
        assert capsys.readouterr().err == ""

    @pytest.mark.slow
    def test_settings_that_an_older_version_did_not_know_have_their_defaults(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config, folder = self.begun(tmp_path / "run")
        lines = (folder.path / "config.yaml").read_text().splitlines(keepends=True)
        folder.write("config.yaml", "".join(line for line in lines if "max_bad" not in line))
        choose_folder("search", config, "x")
        told = capsys.readouterr().err
        assert "written by another version; using default data.max_bad: 0.01" in told
        changed = parse(
            "search",
            SearchConfig,
            ["--data=digits", "--resume=auto", f"--run={folder.path}", "--data.max_bad=0.2"],
            presets="search",
        )
        with pytest.raises(AutodasError, match=r"data\.max_bad: 0\.01 there, data\.max_bad: 0\.2 here"):
            choose_folder("search", changed, "x")

    def test_settings_that_this_version_does_not_know_are_refused(self, tmp_path: Path) -> None:
        config, folder = self.begun(tmp_path / "run")
        text = (folder.path / "config.yaml").read_text()
        folder.write("config.yaml", text + "telepathy: 3\n")
        with pytest.raises(AutodasError, match="telepathy"):
            choose_folder("search", config, "x")

    def test_workers_may_change(self, tmp_path: Path) -> None:
        # Fewer of them are the remedy where memory has run out.
        _, folder = self.begun(tmp_path / "run", "--data.workers=2")
        words = ["--data=digits", "--resume=auto", f"--run={folder.path}", "--data.workers=1"]
        fewer = parse("search", SearchConfig, words, presets="search")
        assert choose_folder("search", fewer, "x")[0].path == folder.path

    def test_a_run_without_a_checkpoint_begins_again_with_its_own_threads(self, tmp_path: Path) -> None:
        config, folder = self.begun(tmp_path / "run")
        torch.set_num_threads(3)
        write_environment(folder)
        torch.set_num_threads(1)
        try:
            assert choose_folder("search", config, "x")[1] is False
            assert torch.get_num_threads() == 3
        finally:
            torch.set_num_threads(1)

    @pytest.mark.slow
    def test_the_lock_of_a_run_that_was_killed_at_its_very_end_goes(self, tmp_path: Path) -> None:
        config, folder = self.begun(tmp_path / "run")
        folder.write("summary.json", "{}")
        ended = [
            sys.executable,
            "-c",
            "from sys import argv; from autodas.runs._lock import RunLock; ",
        ]
        ended[-1] += "from pathlib import Path; import os; RunLock(Path(argv[1])).acquire(); os._exit(0)"
        subprocess.run([*ended, str(folder.path / "running.json")], check=True)
        assert (folder.path / "running.json").exists()
        with pytest.raises(AutodasError, match="this run is finished"):
            choose_folder("search", config, "x")
        assert not (folder.path / "running.json").exists()

    def test_the_beginning_of_a_run_is_taken_over(self, tmp_path: Path) -> None:
        (tmp_path / "run/checkpoints").mkdir(parents=True)
        (tmp_path / "run/config.yaml.tmp").write_text("epoc")
        words = ["--data=digits", f"--run={tmp_path / 'run'}"]
        for resume in ([], ["--resume=auto"]):
            for command, config_class in (("search", SearchConfig), ("train", TrainConfig)):
                more = ["genotype.json"] if command == "train" else []
                config = parse(command, config_class, [*more, *words, *resume], presets=command)
                assert choose_folder(command, config, "x")[1] is False


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    from autodas.loop import load_checkpoint

    path = tmp_path / "last.pt"
    path.symlink_to(path)
    with pytest.raises(AutodasError) as caught:
        load_checkpoint(path, "search")
    assert str(caught.value) == f"{path}: cannot be read: Too many levels of symbolic links"
