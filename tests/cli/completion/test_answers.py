"""What completes a command line, against what the commands accept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autodas.cli.completion import run
from autodas.cli.completion._answer import candidates
from autodas.cli.completion._shells import answer_of, words_of
from autodas.cli.completion._stored import stored_table
from autodas.cli.completion._table import Table, make_table
from autodas.cli.completion._values import _FILES, _NO_PATH, _WORDS, DATA
from autodas.cli.config._schema import describe
from autodas.cli.main import COMMANDS
from autodas.cli.usages import all_usages
from autodas.detection_options import LAYOUTS
from autodas.errors import AutodasError
from autodas.presets import preset_names
from autodas.strategies import STRATEGIES, choose_strategy, strategy_names
from autodas.zoo import zoo_names

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table()


def after(table: Table, *words: str) -> list[str]:
    """Return what completes the last of the words after ``autodas``."""
    return [candidate.word for candidate in candidates(table, ["autodas", *words])]


def test_commands_and_verbs(table: Table) -> None:
    assert after(table, "") == list(COMMANDS)
    assert after(table, "se") == ["search"]
    assert after(table, "--v") == ["--version"]
    assert after(table, "zoo", "") == ["list", "show"]
    assert after(table, "device", "m") == ["measure"]
    assert after(table, "nothing", "") == []


def test_every_option_of_every_usage_is_offered(table: Table) -> None:
    for usages in all_usages().values():
        for usage in usages:
            words = [*usage.command.split(), *(usage.given.split() if usage.given[:2] == "--" else [])]
            offered = set(after(table, *words, "-"))
            schema = describe(usage.config_class)
            keys = {leaf.key for leaf in schema.leaves.values() if not leaf.positional}
            short = {key: name for name, key in schema.short_forms.items()}
            expected = {f"--{short.get(key, key)}" for key in keys} | {"--help", "--debug", "-h"}
            expected |= {"--help-all"} if usage.common else set()
            assert expected <= offered, usage.command


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_settings_are_those_of_the_strategy(table: Table, name: str) -> None:
    (search,) = all_usages()["search"]
    expected = {f"--{k}" for k in describe(search.config_class, name).leaves if k.startswith("strategy.")}
    for words in (["--strategy", name], [f"--strategy={name}"], ["--strategy.name", name]):
        offered = after(table, "search", *words, "--strategy.")
        assert set(offered) == expected - {"--strategy.name"}


def test_settings_of_an_alias_are_those_of_its_strategy(table: Table) -> None:
    assert after(table, "search", "--strategy", "sdas-b", "--strategy.sel") == ["--strategy.select"]
    assert after(table, "search", "--strategy", "das", "--strategy.sel") == []
    # Pressing a key runs no code of users.
    assert after(table, "search", "--strategy", "python:mine:Own", "--strategy.") == []


def test_values(table: Table) -> None:
    assert after(table, "search", "--preset", "") == preset_names("search")
    assert after(table, "search", "--strategy", "") == strategy_names()
    assert after(table, "search", "--strategy=sdas-") == [f"--strategy=sdas-{s}" for s in "abc"]
    assert after(table, "zoo", "show", "") == zoo_names()
    assert after(table, "search", "--data.storage", "c") == ["cache", "compressed"]
    assert after(table, "search", "--check_memory", "") == ["true", "false"]
    assert after(table, "export", "x", "--to", "o") == ["onnx"]
    assert after(table, "data", "cache", "") == ["list", "clear"]
    assert "cifar-o2d" in after(table, "search", "--space", "")
    assert after(table, "search", "--epochs", "") == []
    assert after(table, "compare", "--preset", "quick") == ["quickstart"]


def test_a_switch_is_followed_by_anything(table: Table) -> None:
    assert "--epochs" in after(table, "search", "--quiet", "")
    assert after(table, "zoo", "show", "--json", "darts_v1") == ["darts_v1"]


def test_lists_are_completed_item_by_item(table: Table) -> None:
    offered = after(table, "compare", "--methods", "das,sdas,p")
    assert offered == ["das,sdas,pcdarts", "das,sdas,pdarts"]
    assert "skip_connect,skip_connect" not in after(table, "search", "--space.operations", "skip_connect,")


def test_detection_has_its_own_options(table: Table) -> None:
    assert "detection" in after(table, "train", "--task", "")
    assert after(table, "train", "--task", "detection", "--detector.q") == ["--detector.queries"]
    assert after(table, "train", "--detector.q") == []
    assert after(table, "train", "--task", "detection", "--teach") == []
    # Whether a run is a detector is seen only when it is read.
    assert after(table, "predict", "--dr") == ["--draw"]
    assert {"digits", "coco:"} <= set(after(table, "evaluate", "run", "--data", ""))


def test_options_of_other_commands_stand_behind_their_prefix(table: Table) -> None:
    assert "--search." in after(table, "compare", "--")
    assert "--search.epochs" not in after(table, "compare", "--")
    assert after(table, "compare", "--search.optim.lr") == ["--search.optim.lr"]
    assert after(table, "compare", "--train.space") == []
    # The comparison sets them itself.
    assert after(table, "compare", "--search.run") == after(table, "compare", "--search.see") == []


def test_hyphens_are_kept(table: Table) -> None:
    assert after(table, "search", "--data.max-im") == ["--data.max-image-size"]


def test_files(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("runs/one", "my pictures/train", ".hidden"):
        Path(name).mkdir(parents=True)
    Path("my.yaml").touch()
    assert after(table, "report", "") == ["my pictures/", "my.yaml", "runs/"]
    assert after(table, "report", "runs/one", "runs/") == ["runs/one/"]
    assert after(table, "report", ".h") == [".hidden/"]
    assert after(table, "report", "~/ru") == ["~/runs/"]
    assert after(table, "report", "nowhere/") == []
    assert after(table, "search", "--config", "my.") == ["my.yaml"]
    assert after(table, "search", "--config=my.") == ["--config=my.yaml"]
    assert after(table, "search", "--data", "imagefolder:my") == [
        "imagefolder:my pictures/",
        "imagefolder:my.yaml",
    ]
    assert after(table, "search", "--data", "python:my") == []
    assert after(table, "train", "m") == ["my pictures/", "my.yaml"]
    assert after(table, "train", "my.yaml", "m") == []  # one genotype
    assert after(table, "train", "--epochs", "3", "m") == after(table, "train", "m")


class TestBash:
    def test_words(self) -> None:
        def words(line: str) -> list[str]:
            return words_of("bash", [BREAKS, line])

        assert words("autodas se") == ["autodas", "se"]
        assert words("autodas ") == ["autodas", ""]
        assert words("autodas report my\\ pic") == ["autodas", "report", "my pic"]
        assert words("autodas report 'my pic") == ["autodas", "report", "my pic"]
        assert words('autodas report "my pictures" ') == ["autodas", "report", "my pictures", ""]
        assert words("autodas report my\\ ") == ["autodas", "report", "my "]
        assert words("autodas report my\\") == ["autodas", "report", "my"]

    def test_answers_begin_where_it_breaks_words(
        self, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("flowers").mkdir()

        def answer(line: str, breaks: str = BREAKS) -> list[str]:
            given = [breaks, line]
            return answer_of("bash", given, candidates(table, words_of("bash", given))).splitlines()

        assert answer("autodas search --strategy=sdas-") == ["words", "sdas-a", "sdas-b", "sdas-c"]
        assert answer("autodas search --data=imagefolder:fl") == ["files", "flowers"]
        assert answer("autodas search --data imagefolder:fl", " \t") == ["files", "imagefolder:flowers"]
        assert answer("autodas search --nothing") == ["words"]


def test_the_table_is_stored_and_made_anew(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path))
    assert stored_table() == table
    (file,) = (tmp_path / "completion").iterdir()
    stored = json.loads(file.read_text())
    assert stored["table"] == table
    stored["table"] = {"commands": {"mine": ""}, "usages": {}}
    file.write_text(json.dumps(stored))
    assert stored_table()["commands"] == {"mine": ""}
    file.write_text(json.dumps({**stored, "state": [1, 2, 3]}))  # another version of autodas
    assert stored_table() == table
    for damaged in ("", "[]", "{}", '{"state": 1'):
        file.write_text(damaged)
        assert stored_table() == table


def test_without_a_cache_folder(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTODAS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert stored_table() == table


def test_the_protocol_of_zsh_and_fish(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("zsh", "fish"):
        assert run([shell, "--", "autodas", "zoo", ""]) == 0
        first, _ = capsys.readouterr().out.splitlines()
        assert first == "list\tList the published genotypes."
        assert run([shell, "--", "autodas", "zoo", "show", "darts_v1"]) == 0
        assert capsys.readouterr().out == "darts_v1\n"


def test_a_key_waits_for_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from autodas.cli.main import main; main(sys.argv[1:]); "
        "print({'torch', 'yaml', 'numpy', 'docstring_parser', 'autodas.cli.search'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", script, "completion", "fish", "--", "autodas", "se"]
    environment = {**os.environ, "AUTODAS_CACHE": str(tmp_path)}
    for _ in range(2):  # the first one makes the table
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"search\t{COMMANDS['search'][1]}\nset()\n"


class TestWords:
    def test_data_sets(self) -> None:
        from autodas.data import dataset_names

        assert {name.rstrip(":") for name in DATA} == {entry["name"] for entry in dataset_names()}
        for entry in dataset_names():
            assert (f"{entry['name']}:" in DATA) == (f"{entry['name']}:" in entry["how"])

    def test_keys_are_those_of_commands(self) -> None:
        keys = set()
        for usages in all_usages().values():
            for usage in usages:
                for name in (None, *STRATEGIES):
                    for key in describe(usage.config_class, name).leaves:
                        keys |= {key, f"{usage.command} {key}"}
        assert keys >= {*_WORDS, *_FILES}
        assert {word for word in _NO_PATH if word not in DATA} == {"timm:"}

    @pytest.mark.parametrize(
        ("strategy", "setting"),
        [("sdas", "schedule"), ("sdas", "select"), ("snas", "annealing"), ("snas", "resource_form")],
    )
    def test_settings_have_no_other_words(self, strategy: str, setting: str) -> None:
        for word in _WORDS[f"strategy.{setting}"]():
            choose_strategy(strategy, **{setting: word})
        with pytest.raises(AutodasError):
            choose_strategy(strategy, **{setting: "other"})

    def test_engines(self) -> None:
        from autodas.supernet import ENGINES

        assert set(_WORDS["engine"]()) == set(ENGINES)

    def test_layouts_of_boxes_are_offered(self, table: Table) -> None:
        offered = after(table, "train", "--task", "detection", "--data", "")
        assert offered == [f"{layout}:" for layout in LAYOUTS]
