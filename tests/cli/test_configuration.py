from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autodas import presets
from autodas.cli import main as cli
from autodas.cli._output import print_facts
from autodas.cli.config._configuration import dump, parse, read_preset_configuration
from autodas.cli.config._schema import describe
from autodas.cli.config._verbs import Verb, run_verbs
from autodas.cli.usages import all_usages
from autodas.errors import AutodasError
from autodas.strategies import (
    STRATEGIES,
    DASSettings,
    RandomSettings,
    SDASSettings,
    StrategyChoice,
    choose_strategy,
    resolve_strategy,
    strategy_info,
    strategy_names,
)
from autodas.strict_yaml import read_yaml, write_yaml


@dataclass(frozen=True)
class Optim:
    """How the weights are learned."""

    lr: float = 0.1
    """Learning rate, 100% of the story."""
    nesterov: bool = True
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise AutodasError(f"lr must be above 0, found {self.lr}")


@dataclass(frozen=True)
class Data:
    """The dataset.

    Args:
        name: a name or a folder.
        image_size: what the network sees.
    """

    name: str = "digits"
    image_size: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """Search a network."""

    data: Data = field(default_factory=Data)
    strategy: StrategyChoice = field(default_factory=StrategyChoice)
    optim: Optim = field(default_factory=lambda: Optim(lr=0.2))
    epochs: int = 50
    precision: Literal["fp32", "bf16"] = "fp32"
    json: bool = False
    note: str = ""
    limits: dict[str, int] = field(default_factory=dict)
    out: Path = field(default=Path("runs"), metadata={"short": "-o", "help": "folder of the run"})

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise AutodasError(f"epochs must be at least 1, found {self.epochs}")


@dataclass(frozen=True)
class Predict:
    run: str = field(metadata={"positional": True})
    files: tuple[str, ...] = field(default=(), metadata={"positional": True, "nargs": "+", "metavar": "FILE"})
    top: int = 5
    json: bool = False


@dataclass(frozen=True)
class Profile:
    genotype: str = field(metadata={"positional": True})
    image_size: int = field(default=32, metadata={"positional": True})


@dataclass(frozen=True)
class NeedsData:
    data: NamedSource
    epochs: int = 1


@dataclass(frozen=True)
class NamedSource:
    name: str
    size: int = 8


def search(*argv: str) -> Search:
    return parse("search", Search, argv, presets="search")


def refusal(*argv: str) -> str:
    with pytest.raises(AutodasError) as caught:
        search(*argv)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of presets that stands for the shipped one."""
    root = tmp_path / "presets"
    for command in ("search", "train"):
        (root / command).mkdir(parents=True)
    monkeypatch.setattr(presets, "_root", lambda: root)
    return root


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


class TestSources:
    def test_defaults(self) -> None:
        assert search() == Search()

    def test_nested_defaults_of_the_outer_class_win(self) -> None:
        assert search("--optim.nesterov", "false").optim == Optim(lr=0.2, nesterov=False)

    def test_precedence(self, folder: Path, tmp_path: Path) -> None:
        write(
            folder / "search" / "quick.yaml", "epochs: 2\noptim: {lr: 0.5, nesterov: false}\nnote: preset\n"
        )
        first = write(tmp_path / "a.yaml", "epochs: 3\nnote: first\n")
        second = write(tmp_path / "b.yaml", "epochs: 4\n")
        found = search("--preset", "quick", f"--config={first}", "--config", second, "--optim.lr", "0.7")
        assert found == Search(epochs=4, note="first", optim=Optim(lr=0.7, nesterov=False))
        assert search("--epochs", "9", "--preset", "quick").epochs == 9

    def test_last_option_wins(self) -> None:
        assert search("--epochs", "1", "--epochs=2").epochs == 2

    @pytest.mark.parametrize(
        ("argv", "expected"),
        [
            (["--json"], {"json": True}),
            (["--json", "false"], {"json": False}),
            (["--json=true"], {"json": True}),
            (["-o", "x/y"], {"out": Path("x/y")}),
            (["-ox/y"], {"out": Path("x/y")}),
            (["--out", "-"], {"out": Path("-")}),
            (["--note", "-1"], {"note": "-1"}),
            (["--note=--x"], {"note": "--x"}),
            (["--note", "null"], {"note": "null"}),
            (["--note", "a: [b"], {"note": "a: [b"}),
            (["--note", "1e-3"], {"note": "1e-3"}),
            (["--note="], {"note": ""}),
            (["--limits", "{a: 1}"], {"limits": {"a": 1}}),
            (["--precision", "bf16"], {"precision": "bf16"}),
        ],
    )
    def test_options(self, argv: list[str], expected: dict[str, Any]) -> None:
        assert search(*argv) == Search(**expected)

    @pytest.mark.parametrize("text", ["1e-3", "0.001", ".001", "1.0e-3"])
    def test_numbers(self, text: str, tmp_path: Path) -> None:
        assert search("--optim.lr", text).optim.lr == 0.001
        path = write(tmp_path / "c.yaml", f"optim:\n  lr: {text}\n")
        assert search("--config", path).optim.lr == 0.001

    @pytest.mark.parametrize("text", ["0.5,0.9", "[0.5, 0.9]", "0.5, 0.9"])
    def test_lists(self, text: str) -> None:
        assert search("--optim.betas", text).optim.betas == (0.5, 0.9)

    def test_lists_of_text(self) -> None:
        assert search("--data.classes", "a,1,null").data.classes == ("a", "1", "null")
        assert search("--data.classes", "").data.classes == ()

    def test_optional(self) -> None:
        assert search("--data.image_size", "64").data.image_size == 64
        assert search("--data.image_size", "null").data.image_size is None

    def test_hyphens_and_underscores_are_one(self) -> None:
        assert search("--data.image-size", "64") == search("--data.image_size", "64")

    def test_yaml_with_dotted_keys_and_empty_sections(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "optim:\ndata.image_size: 8\nlimits: {a: 2}\n")
        assert search("--config", path) == Search(data=Data(image_size=8), limits={"a": 2})

    def test_empty_file(self, tmp_path: Path) -> None:
        assert search("--config", write(tmp_path / "c.yaml", "# nothing\n")) == Search()


class TestShortForms:
    def test_name_and_more(self) -> None:
        assert search("--data", "D", "--data.image_size", "64").data == Data("D", 64)
        assert search("--data.image_size", "64", "--data.name=D").data == Data("D", 64)

    @pytest.mark.parametrize("text", ["data: D", "data: {name: D}", "data.name: D"])
    def test_yaml(self, text: str, tmp_path: Path) -> None:
        assert search("--config", write(tmp_path / "c.yaml", text)).data == Data("D")

    def test_partial_override(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "data: {name: D, image_size: 5}")
        assert search("--config", path, "--data", "E").data == Data("E", 5)


class TestRequired:
    def test_option(self) -> None:
        assert parse("t", NeedsData, ["--data", "D"]) == NeedsData(NamedSource("D"))
        with pytest.raises(AutodasError, match=r"^--data is required; see 'autodas t --help'$"):
            parse("t", NeedsData, [])

    def test_print_config_is_a_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as leaving:
            parse("t", NeedsData, ["--print_config", "--epochs", "3"], presets="search")
        assert leaving.value.code == 0
        assert capsys.readouterr().out == "data:\n  name: null\n  size: 8\nepochs: 3\n"

    def test_a_form_not_filled_in(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "data:\n  name: null\n")
        with pytest.raises(AutodasError, match=r"c\.yaml: data\.name: expected text, found null$"):
            parse("t", NeedsData, ["--config", path], presets="search")


class TestPositionals:
    def test_fixed_and_variadic(self) -> None:
        found = parse("predict", Predict, ["R", "--top", "3", "a", "--json", "b", "--", "--c"])
        assert found == Predict("R", ("a", "b", "--c"), 3, True)

    def test_optional(self) -> None:
        assert parse("p", Profile, ["G"]) == Profile("G")
        assert parse("p", Profile, ["G", "-0"]).image_size == 0
        assert parse("p", Profile, ["G", "64"]) == Profile("G", 64)

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            ([], "GENOTYPE is required; see 'autodas p --help'"),
            (["G", "x"], "IMAGE_SIZE: expected a whole number, found 'x'"),
            (["G", "3", "4"], "unexpected argument '4'"),
            (["--genotype", "G"], "unknown option '--genotype': GENOTYPE is given without an option name"),
        ],
    )
    def test_refusals(self, argv: list[str], message: str) -> None:
        with pytest.raises(AutodasError) as caught:
            parse("p", Profile, argv)
        assert str(caught.value) == message

    def test_at_least_one(self) -> None:
        with pytest.raises(AutodasError, match=r"^FILE is required; see 'autodas predict --help'$"):
            parse("predict", Predict, ["R"])

    def test_from_a_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "genotype: G\n")
        assert parse("p", Profile, ["--config", path], presets="train") == Profile("G")

    def test_without_presets_there_are_no_files(self) -> None:
        with pytest.raises(AutodasError, match=r"^unknown option '--config'"):
            parse("p", Profile, ["G", "--config", "c.yaml"])


REFUSED_OPTIONS = [
    (["--epoch", "3"], "unknown option '--epoch'; did you mean '--epochs'?"),
    (["--epochs_", "3"], "unknown option '--epochs_'; did you mean '--epochs'?"),
    (["-epochs", "3"], "unknown option '-epochs'; did you mean '--epochs'?"),
    (["--lr", "3"], "unknown option '--lr'; did you mean '--optim.lr'?"),
    (["--optim.lrr", "3"], "unknown option '--optim.lrr'; did you mean '--optim.lr'?"),
    (["--optm.lr", "3"], "unknown option '--optm.lr'; did you mean '--optim.lr'?"),
    (
        ["--optim.zzz=3"],
        "unknown option '--optim.zzz'; known: --optim.lr, --optim.nesterov, --optim.betas",
    ),
    (
        ["--optim", "3"],
        "unknown option '--optim': give one of its keys: --optim.lr, --optim.nesterov, --optim.betas",
    ),
    (["--confg", "x"], "unknown option '--confg'; did you mean '--config'?"),
    (["--presets", "x"], "unknown option '--presets'; did you mean '--preset'?"),
    (["--epochs"], "--epochs: a value is expected"),
    (["--epochs", "--json"], "--epochs: a value is expected"),
    (["--epochs", "-o", "x"], "--epochs: a value is expected"),
    (["--config"], "--config: a value is expected"),
    (["--strategy"], "--strategy: a value is expected"),
    (["--json", "yes"], "unexpected argument 'yes': this command has options alone, which start with --"),
    (["--json=maybe"], "--json: expected true or false, found 'maybe'"),
    (["word"], "unexpected argument 'word': this command has options alone, which start with --"),
    (["--epochs", "x"], "--epochs: expected a whole number, found 'x'"),
    (["--epochs", "1.5"], "--epochs: expected a whole number, found '1.5'"),
    (["--epochs", "null"], "--epochs: expected a whole number, found 'null'"),
    (["--epochs="], "--epochs: expected a whole number, found ''"),
    (["--optim.lr", "fast"], "--optim.lr: expected a number, found 'fast'"),
    (["--optim.lr", "nan"], "--optim.lr: expected a number, found 'nan'"),
    (["--optim.betas", "1"], "--optim.betas: expected a list of 2 numbers, found '1'"),
    (["--optim.betas", "1,x"], "--optim.betas: expected a list of 2 numbers, found '1,x'"),
    (["--optim.nesterov=3"], "--optim.nesterov: expected true or false, found '3'"),
    (["--precision", "fp64"], "--precision: expected one of fp32, bf16, found 'fp64'"),
    (["--data.image-size", "big"], "--data.image-size: expected a whole number or null, found 'big'"),
    (["--limits", "3"], "--limits: expected a mapping, found '3'"),
    (["--epochs", "0"], "epochs must be at least 1, found 0"),
    (["--optim.lr=-1"], "optim: lr must be above 0, found -1.0"),
    (["--optim.lr", "-1"], "optim: lr must be above 0, found -1.0"),
    (["--strategy", "sdsa"], "--strategy: unknown strategy 'sdsa'; did you mean 'sdas'?"),
    (["--strategy", "darts"], "--strategy: unknown strategy 'darts'; did you mean 'das'?"),
    (
        ["--strategy", "das", "--strategy.schedule", "c"],
        "unknown option '--strategy.schedule': 'schedule' belongs to sdas, not das",
    ),
    (
        ["--strategy", "random", "--strategy.learning_rate", "1"],
        "unknown option '--strategy.learning_rate': 'learning_rate' belongs to "
        f"{', '.join(name for name in STRATEGIES if name != 'random')}, not random",
    ),
    (["--strategy.shedule", "c"], "unknown option '--strategy.shedule'; did you mean '--strategy.schedule'?"),
    (
        ["--strategy", "sdas-b", "--strategy.schedule", "c"],
        "--strategy.schedule: 'sdas-b' means schedule 'b', but 'c' is given",
    ),
    (
        ["--strategy.schedule", "q"],
        "strategy: schedule must be a, b, c, 'power:P', 'inverse-power:P' or "
        "'python:package.module:function', "
        "found 'q'",
    ),
    (
        ["--strategy", "random", "--strategy.candidates", "0"],
        "strategy: candidates must be at least 1, found 0",
    ),
    (["--config", "absent.yaml"], "absent.yaml: cannot be read: No such file or directory"),
    (["--config", "/"], "/: cannot be read: Is a directory"),
]


@pytest.mark.parametrize(("argv", "message"), REFUSED_OPTIONS, ids=[" ".join(a) for a, _ in REFUSED_OPTIONS])
def test_refused_options(argv: list[str], message: str) -> None:
    assert refusal(*argv) == message


REFUSED_FILES = [
    ("epochz: 3", "unknown key 'epochz'; did you mean 'epochs'?"),
    ("optim: {lrr: 3}", "unknown key 'optim.lrr'; did you mean 'optim.lr'?"),
    ("lr: 3", "unknown key 'lr'; did you mean 'optim.lr'?"),
    ("optim: {zzz: 3}", "unknown key 'optim.zzz'; known: optim.lr, optim.nesterov, optim.betas"),
    (
        "zzz: 3",
        "unknown key 'zzz'; known: epochs, precision, json, note, limits, out, data, strategy, optim",
    ),
    (
        "5: 3",
        "unknown key '5'; known: epochs, precision, json, note, limits, out, data, strategy, optim",
    ),
    ("stratgy: das", "unknown key 'stratgy'; did you mean 'strategy'?"),
    ("optim: 3", "optim: expected a mapping, found 3"),
    ("optim: [a, 1]", "optim: expected a mapping, found ['a', 1]"),
    ("data: 5", "data.name: expected text, found 5"),
    ("epochs: fast", "epochs: expected a whole number, found 'fast'"),
    ("epochs: 3.5", "epochs: expected a whole number, found 3.5"),
    ("epochs: true", "epochs: expected a whole number, found true"),
    ("epochs:", "epochs: expected a whole number, found null"),
    ("epochs: {a: 1}", "epochs: expected a whole number, found a mapping"),
    ("optim: {lr: [1]}", "optim.lr: expected a number, found [1]"),
    ("optim: {lr: null}", "optim.lr: expected a number, found null"),
    ("optim: {betas: [1]}", "optim.betas: expected a list of 2 numbers, found [1]"),
    ("json: 1", "json: expected true or false, found 1"),
    ("note: 3", "note: expected text, found 3"),
    ("data: {classes: [1, b]}", "data.classes: expected a list of texts, found [1, 'b']"),
    ("precision: no", "precision: expected one of fp32, bf16, found 'no'"),
    ("strategy: sdsa", "strategy: unknown strategy 'sdsa'; did you mean 'sdas'?"),
    (
        "strategy: {name: das, schedule: b}",
        "unknown key 'strategy.schedule': 'schedule' belongs to sdas, not das",
    ),
    (
        "strategy: {name: sdas-b, schedule: c}",
        "strategy.schedule: 'sdas-b' means schedule 'b', but 'c' is given",
    ),
    ("strategy: 5", "strategy.name: expected text, found 5"),
    ("strategies: {dos: {}}", "strategies: unknown strategy 'dos'; did you mean 'das'?"),
    (
        "strategies: {das: {rate: 1}}",
        "strategies.das: unknown key 'strategy.rate'; did you mean 'strategy.name'?",
    ),
    ("optim: {lr: 1}\noptim.lr: 2", "'optim.lr' appears twice"),
    ("- 1", "a mapping of keys to values is expected"),
    ("word", "a mapping of keys to values is expected"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED_FILES, ids=[text for text, _ in REFUSED_FILES])
def test_refused_files(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", text)
    assert refusal("--config", path) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "c.yaml:1:6: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("epochs: 1\nepochs: 2", "c.yaml:2:1: not valid YAML: the key 'epochs' appears twice"),
        (
            "epochs: !!python/object/apply:os.getcwd []",
            "c.yaml:1:9: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getcwd'",
        ),
    ],
)
def test_malformed_files(text: str, message: str, tmp_path: Path) -> None:
    assert refusal("--config", write(tmp_path / "c.yaml", text)) == f"{tmp_path}/{message}"


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal("--config", str(path)) == f"{path}: not a text file in UTF-8 (byte 0)"


class TestStrategy:
    def test_option_wins(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "strategy: das")
        assert search("--config", path).strategy == choose_strategy("das")
        assert search("--config", path, "--strategy", "random").strategy == choose_strategy("random")

    def test_settings(self) -> None:
        found = search("--strategy=das", "--strategy.learning_rate", "0.05", "--strategy.betas=0.9,0.99")
        assert found.strategy == StrategyChoice("das", DASSettings(learning_rate=0.05, betas=(0.9, 0.99)))

    def test_switch_of_a_strategy(self) -> None:
        assert search("--strategy.keep-beta").strategy == choose_strategy("sdas", keep_beta=True)

    @pytest.mark.parametrize("schedule", "abc")
    def test_aliases(self, schedule: str, tmp_path: Path) -> None:
        expected = choose_strategy("sdas", schedule=schedule)
        assert search("--strategy", f"sdas-{schedule}").strategy == expected
        path = write(tmp_path / "c.yaml", f"strategy: {{name: sdas-{schedule}}}")
        assert search("--config", path).strategy == expected
        assert search("--config", path, "--strategy.schedule", "power:2") == Search(
            strategy=choose_strategy("sdas", schedule="power:2")
        )
        assert search("--config", path, "--strategy", "das").strategy == choose_strategy("das")

    def test_alias_on_the_command_line_beats_the_schedule_of_a_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "strategy: {name: sdas, schedule: c}")
        assert search("--config", path, "--strategy", "sdas-b").strategy == choose_strategy("sdas-b")

    def test_alias_and_the_same_schedule(self) -> None:
        found = search("--strategy", "sdas-b", "--strategy.schedule", "b")
        assert found.strategy == choose_strategy("sdas-b")

    def test_file_with_settings_of_another_strategy(self, tmp_path: Path) -> None:
        path = write(tmp_path / "c.yaml", "strategy: {name: sdas, schedule: b}")
        message = f"{path}: unknown key 'strategy.schedule': 'schedule' belongs to sdas, not das"
        assert refusal("--config", path, "--strategy", "das") == message

    def test_preset_with_settings_of_another_strategy(self, folder: Path) -> None:
        write(
            folder / "search" / "q.yaml", "strategy: {name: sdas, schedule: b, learning_rate: 0.5}\nepochs: 2"
        )
        assert search("--preset", "q").strategy == choose_strategy("sdas-b", learning_rate=0.5)
        assert search("--preset", "q", "--strategy", "das") == Search(
            strategy=choose_strategy("das"), epochs=2
        )

    def test_preset_without_a_name_speaks_of_the_default_strategy(self, folder: Path) -> None:
        write(folder / "search" / "q.yaml", "strategy: {schedule: c}")
        assert search("--preset", "q").strategy == choose_strategy("sdas-c")
        assert search("--preset", "q", "--strategy", "das").strategy == choose_strategy("das")

    def test_settings_per_strategy(self, folder: Path, tmp_path: Path) -> None:
        text = "strategy: {name: sdas, schedule: b}\nstrategies:\n  das: {learning_rate: 0.1}\n"
        write(folder / "search" / "q.yaml", text + "  sdas: {schedule: c, initial_std: 0.5}\n  random: {}\n")
        assert search("--preset", "q").strategy == choose_strategy("sdas-b", initial_std=0.5)
        assert search("--preset", "q", "--strategy=das").strategy == choose_strategy("das", learning_rate=0.1)
        path = write(tmp_path / "c.yaml", "strategy: {name: das, initial_std: 0.2}")
        assert search("--preset", "q", "--config", path).strategy == choose_strategy(
            "das", learning_rate=0.1, initial_std=0.2
        )

    def test_a_file_has_settings_for_several_strategies(self, folder: Path, tmp_path: Path) -> None:
        write(folder / "search" / "q.yaml", "strategies: {das: {learning_rate: 0.1, initial_std: 0.5}}")
        path = write(tmp_path / "c.yaml", "strategies:\n  das: {learning_rate: 0.2}\n  sdas: {schedule: c}\n")
        assert search("--preset", "q", "--config", path, "--strategy=das").strategy == choose_strategy(
            "das", learning_rate=0.2, initial_std=0.5
        )
        assert search("--config", path, "--strategy=sdas").strategy == choose_strategy("sdas", schedule="c")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("strategies: {dos: {}}", "strategies: unknown strategy 'dos'; did you mean 'das'?"),
            ("strategies: 3", "strategies: expected a mapping, found 3"),
            ("strategies: {das: 3}", "strategies.das: expected a mapping of settings, found 3"),
            ("strategies: {das: {name: x}}", "strategies.das: 'name' is not a setting"),
            (
                "strategies: {das: {schedule: x}}",
                "strategies.das: unknown key 'strategy.schedule': 'schedule' belongs to sdas, not das",
            ),
            ("epochz: 3", "unknown key 'epochz'; did you mean 'epochs'?"),
            ("epochs: x", "epochs: expected a whole number, found 'x'"),
        ],
    )
    def test_mistakes_in_presets(self, text: str, message: str, folder: Path) -> None:
        write(folder / "search" / "q.yaml", text)
        assert refusal("--preset", "q") == f"preset 'q': {message}"

    def test_default_settings_of_the_class_are_of_the_default_strategy_only(self) -> None:
        @dataclass(frozen=True)
        class Other:
            strategy: StrategyChoice = field(
                default_factory=lambda: choose_strategy("das", learning_rate=0.5)
            )

        globals()["Other"] = Other
        assert parse("x", Other, []).strategy == choose_strategy("das", learning_rate=0.5)
        assert parse("x", Other, ["--strategy", "sdas"]).strategy == choose_strategy("sdas")


class TestPresets:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "cifar",
                "'search' has no preset 'cifar'; did you mean 'cifar10'? "
                "The presets of 'search' are cifar10, quick",
            ),
            ("zzz", "'search' has no preset 'zzz'; presets of 'search': cifar10, quick"),
            ("full", "'search' has no preset 'full' ('train' has); presets of 'search': cifar10, quick"),
            ("../train/full", "'search' has no preset '../train/full'; presets of 'search': cifar10, quick"),
        ],
    )
    def test_unknown(self, name: str, message: str, folder: Path) -> None:
        for preset in ("search/quick", "search/cifar10", "train/full"):
            write(folder / f"{preset}.yaml", "")
        assert refusal("--preset", name) == message

    def test_borrowed(self, folder: Path) -> None:
        write(folder / "search" / "q.yaml", "epochs: 7")
        assert read_preset_configuration(Search, "search", "q", ["--json"]) == Search(epochs=7, json=True)

    def test_shipped_folders(self) -> None:
        assert {"search", "train"} <= set(presets.preset_commands())


class TestDump:
    def test_page(self) -> None:
        page = dump(search("--data", "D", "--strategy", "das", "--data.classes", "a,1", "--limits", "{x: 1}"))
        assert page == (
            "data:\n  name: D\n  image_size: null\n  classes: [a, '1']\n"
            "strategy:\n  name: das\n  learning_rate: 0.0003\n  betas: [0.5, 0.999]\n"
            "  weight_decay: 0.001\n  initial_std: 0.001\n"
            "  beta_decay: 0.0\n  smoothing: 0.0\n  auxiliary_skip: 0.0\n  order: 1\n  unrolled: finite\n"
            "  weights_only: 0.0\n"
            "optim:\n  lr: 0.2\n  nesterov: true\n  betas: [0.9, 0.999]\n"
            "epochs: 50\nprecision: fp32\njson: false\nnote: ''\nlimits:\n  x: 1\nout: runs\n"
        )

    def test_print_config(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        write(folder / "search" / "q.yaml", "epochs: 7")
        with pytest.raises(SystemExit) as leaving:
            search("--epochs", "8", "--print_config", "--preset", "q", "--json")
        assert leaving.value.code == 0
        assert capsys.readouterr().out == dump(Search(epochs=8, json=True))

    def test_print_config_still_checks(self) -> None:
        assert refusal("--print-config", "--epochs", "0") == "epochs must be at least 1, found 0"

    text = st.text(st.characters(exclude_categories=["Cs"]))
    number = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    beta = st.floats(0, 1, exclude_max=True)
    strategy = st.one_of(
        st.builds(choose_strategy, st.just("das"), learning_rate=number, betas=st.tuples(beta, beta)),
        st.builds(choose_strategy, st.sampled_from(strategy_names()[1:2]), keep_beta=st.booleans()),
        st.builds(
            choose_strategy, st.just("random"), candidates=st.integers(min_value=1, max_value=1_000_000)
        ),
    )

    @pytest.mark.slow
    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.builds(
            Search,
            data=st.builds(Data, text, st.none() | st.integers(-16_384, 16_384), st.lists(text).map(tuple)),
            strategy=strategy,
            optim=st.builds(Optim, number, st.booleans(), st.tuples(number, number)),
            epochs=st.integers(min_value=1, max_value=1_000_000),
            precision=st.sampled_from(["fp32", "bf16"]),
            json=st.booleans(),
            note=text
            | st.sampled_from(["null", "1e-3", "no", "012", "1:30", "~", "2020-01-01", "<<", "=", "0x1"]),
            limits=st.dictionaries(text, st.integers()),
            out=st.sampled_from([Path("a b"), Path("/x"), Path("."), Path("1")]),
        )
    )
    def test_round_trip(self, tmp_path: Path, config: Search) -> None:
        path = tmp_path / "c.yaml"
        path.write_text(dump(config), encoding="utf-8", newline="")
        assert search("--config", str(path)) == config

    @pytest.mark.slow
    @given(
        st.dictionaries(
            text,
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
                st.lists,
                max_leaves=10,
            ),
            max_size=10,
        )
    )
    def test_yaml_round_trip(self, document: dict[str, Any]) -> None:
        assert read_yaml(write_yaml(document), "page") == document


class TestHelp:
    def page(self, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
        with pytest.raises(SystemExit) as leaving:
            search(*argv)
        assert leaving.value.code == 0
        return " ".join(capsys.readouterr().out.split())

    def test_says_everything(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        write(folder / "search" / "quick.yaml", "")
        page = self.page(capsys, "--help")
        both = "-o, --out PATH" if sys.version_info >= (3, 13) else "-o PATH, --out PATH"
        for part in (
            "usage: autodas search [--preset NAME] [--config FILE] [options] Search a network.",
            "--data NAME a name or a folder (default: digits)",
            "--data.image_size INT|null what the network sees",
            "--optim.lr NUMBER Learning rate, 100% of the story (default: 0.2)",
            "--precision {fp32,bf16} (default: fp32)",
            f"{both} folder of the run (default: runs)",
            "--preset NAME start from a shipped preset: quick",
            "--strategy.schedule TEXT times of the decisions",
        ):
            assert part in page

    def test_shows_the_chosen_strategy(self, capsys: pytest.CaptureFixture[str]) -> None:
        page = self.page(capsys, "--strategy", "random", "-h")
        assert "--strategy.candidates INT" in page
        assert "schedule" not in page

    def test_whatever_else_is_wrong(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "--epochs INT" in self.page(capsys, "--strategy", "zzz", "--nonsense", "--help")

    def short_page(self, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
        with pytest.raises(SystemExit):
            parse("search", Search, argv, presets="search", common=("epochs", "optim.lr", "data.name"))
        return capsys.readouterr().out

    def test_common_options_alone(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        for option in ("-h", "--help"):
            page = self.short_page(capsys, option)
            found = re.findall(r"^  (?:-., )?(--[\w.-]+)", page, flags=re.MULTILINE)
            own = ["--epochs", "--optim.lr", "--data"]
            assert found == [
                *own,
                "--preset",
                "--config",
                "--print_config",
                "--debug",
                "--help",
                "--help-all",
            ]
            assert "All options: the same with --help-all; of another strategy: --strategy NAME" in page

    def test_all_options(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        whole = self.page(capsys, "--help")
        for option in ("--help-all", "--help_all"):
            page = " ".join(self.short_page(capsys, option).split())
            shown = page.replace(
                "--help show the common options --help-all show all options", "--help show this page"
            )
            assert shown == whole
            # Where all options are common, it is the same page.
            assert self.page(capsys, option) == whole

    def test_required_options_are_common(self, capsys: pytest.CaptureFixture[str]) -> None:
        usage = next(usage for usage in all_usages()["export"])
        with pytest.raises(SystemExit):
            parse("export", usage.config_class, ["-h"], common=("overwrite",))
        page = capsys.readouterr().out
        found = re.findall(r"^  (-o PATH, --output|--[\w.-]+)", page, flags=re.MULTILINE)
        assert found[:3] == ["--to", "-o PATH, --output", "--overwrite"]

    def test_common_options_exist(self) -> None:
        for usage in (usage for usages in all_usages().values() for usage in usages):
            assert set(usage.common) <= set(describe(usage.config_class).leaves)
            assert len(set(usage.common)) == len(usage.common)

    def test_positionals(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            parse("predict", Predict, ["--help"])
        page = capsys.readouterr().out
        assert page.startswith("usage: autodas predict RUN FILE... [options]\n\narguments:\n  RUN\n  FILE\n")
        assert "--config" not in page

    @pytest.mark.parametrize("name", list(STRATEGIES))
    def test_every_setting_has_help(self, name: str) -> None:
        from autodas.cli.config._options import _field_help

        settings = strategy_info(name).settings
        assert set(_field_help(settings)) >= {setting.name for setting in fields(settings)}


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from dataclasses import dataclass, field
from autodas.cli.config._configuration import parse
from autodas.cli.main import main
from autodas.strategies import StrategyChoice

@dataclass(frozen=True)
class Search:
    strategy: StrategyChoice = field(default_factory=StrategyChoice)

main(["--help"])
try:
    parse("search", Search, ["--help"], presets="search")
except SystemExit:
    pass
parse("search", Search, ["--strategy", "das"], presets="search")
heavy = {"torch", "numpy", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class TestSettings:
    def test_registry(self) -> None:
        assert {"das", "sdas", "random"} <= set(STRATEGIES)
        assert strategy_names()[: len(STRATEGIES)] == list(STRATEGIES)
        assert resolve_strategy("sdas-c") == ("sdas", {"schedule": "c"})
        assert strategy_info("sdas-a").settings is SDASSettings

    @pytest.mark.parametrize("schedule", ["a", "power:2", "inverse-power:0.5", "my.pkg:fn", "m:fn"])
    def test_schedules(self, schedule: str) -> None:
        assert SDASSettings(schedule=schedule).schedule == schedule

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: DASSettings(learning_rate=0), "learning_rate must be above 0, found 0"),
            (lambda: DASSettings(learning_rate=float("nan")), "learning_rate must be above 0, found nan"),
            (lambda: DASSettings(betas=(0.5, 1.0)), "betas must be 2 numbers in [0, 1), found (0.5, 1.0)"),
            (lambda: DASSettings(weight_decay=-1), "weight_decay must be at least 0, found -1"),
            (lambda: SDASSettings(initial_std=-1), "initial_std must be at least 0, found -1"),
            (lambda: SDASSettings("power:x"), "schedule must be 'power:P' with P above 0, found 'power:x'"),
            (
                lambda: SDASSettings("a.b:"),
                "schedule must be a function as 'python:package.module:function', found 'a.b:'",
            ),
            (lambda: RandomSettings(0), "candidates must be at least 1, found 0"),
            (
                lambda: choose_strategy("sdas", lr=1),
                "strategy 'sdas' has no setting 'lr'; known: learning_rate, betas, weight_decay, "
                "initial_std, beta_decay, smoothing, auxiliary_skip, schedule, keep_beta, warmup, settle, "
                "weights_only, stability, select",
            ),
            (lambda: StrategyChoice("das"), "strategy 'das' takes DASSettings, not SDASSettings"),
            (
                lambda: StrategyChoice("sdas-a"),
                "'sdas-a' is an alias of 'sdas': use choose_strategy('sdas-a')",
            ),
            (lambda: resolve_strategy("dos"), "unknown strategy 'dos'; did you mean 'das'?"),
        ],
    )
    def test_ranges(self, make: Any, message: str) -> None:
        with pytest.raises(AutodasError) as caught:
            make()
        assert str(caught.value) == message


class TestVerbs:
    @staticmethod
    def show(config: Profile) -> None:
        """Show one."""
        print(config.genotype)

    @staticmethod
    def fail(config: Predict) -> int:
        """Fail."""
        return 3

    def run(self, *argv: str) -> int:
        return run_verbs("zoo", argv, {"show": Verb(Profile, self.show), "fail": Verb(Predict, self.fail)})

    def test_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("show", "G") == 0
        assert capsys.readouterr().out == "G\n"
        assert self.run("fail", "R", "f") == 3

    @pytest.mark.slow
    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("--help") == 0
        page = capsys.readouterr().out
        assert page.startswith("usage: autodas zoo {show,fail} ...\n\n  show  Show one.\n  fail  Fail.\n")
        with pytest.raises(SystemExit):
            self.run("show", "--help")
        assert capsys.readouterr().out.startswith("usage: autodas zoo show GENOTYPE [IMAGE_SIZE] [options]")

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            ([], "'zoo' requires one of: show, fail"),
            (["--json"], "'zoo' requires one of: show, fail"),
            (["shw"], "'zoo' has no 'shw'; did you mean 'show'?"),
            (["show"], "GENOTYPE is required; see 'autodas zoo show --help'"),
        ],
    )
    def test_refusals(self, argv: list[str], message: str) -> None:
        with pytest.raises(AutodasError) as caught:
            self.run(*argv)
        assert str(caught.value) == message


class TestMain:
    @pytest.fixture
    def command(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return a function that makes ``autodas zoo`` do something."""

        def install(run: Any) -> None:
            monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(run=run))

        return install

    def test_overview(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main([]) == cli.main(["--help"]) == 0
        page = capsys.readouterr().out
        assert all(f"\n  {name} " in page for name in cli.COMMANDS)

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        from autodas import __version__

        assert cli.main(["--version"]) == 0
        assert capsys.readouterr().out == f"autodas {__version__}\n"

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["serach"], "unknown command 'serach'; did you mean 'search'?"),
            (["--foo"], "unknown option '--foo'; known before a command: --help, --version, --debug"),
        ],
    )
    def test_unknown(self, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(argv) == 2
        assert capsys.readouterr().err == f"autodas: error: {message}\n"

    def test_runs(self, command: Any) -> None:
        seen: list[str] = []
        command(lambda argv: seen.extend(argv) or 4)
        assert cli.main(["--debug", "zoo", "a", "--debug", "--", "--debug"]) == 4
        assert seen == ["a", "--", "--debug"]

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (AutodasError("bad\nthing"), 2, "autodas: error: bad thing\n"),
            (
                OSError(errno.ENOSPC, "No space left on device", "/x"),
                2,
                "autodas: error: /x: No space left on device\n",
            ),
            (
                OSError(errno.ENOSPC, "No space left on device"),
                2,
                "autodas: error: No space left on device\n",
            ),
            (
                PermissionError(errno.EACCES, "Permission denied", "/x"),
                2,
                "autodas: error: /x: Permission denied\n",
            ),
            (KeyboardInterrupt(), 130, "autodas: interrupted\n"),
            (SystemExit("no"), 2, "autodas: error: no\n"),
            (SystemExit(0), 0, ""),
            (SystemExit(5), 5, ""),
            (SystemExit(), 0, ""),
        ],
    )
    def test_errors(
        self, error: BaseException, code: int, message: str, command: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def run(argv: list[str]) -> int:
            raise error

        command(run)
        assert cli.main(["zoo"]) == code
        assert capsys.readouterr().err == message

    def test_debug_shows_the_traceback(self, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
        def run(argv: list[str]) -> int:
            raise AutodasError("bad")

        command(run)
        assert cli.main(["zoo", "--debug"]) == 2
        page = capsys.readouterr().err
        assert page.startswith("Traceback")
        assert page.endswith("autodas: error: bad\n")

    def test_defect(self, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
        command(lambda argv: 1 // 0)
        assert cli.main(["zoo"]) == 1
        page = capsys.readouterr().err
        assert page.startswith("Traceback")
        assert page.endswith(
            "autodas: this is a bug in autodas: please report it with the traceback above and the output of "
            "'autodas doctor'\n"
        )

    def test_reader_that_leaves(self) -> None:
        script = (
            "import sys\nfrom types import SimpleNamespace\nfrom autodas.cli import main as cli\n"
            "cli.import_module = lambda name: SimpleNamespace(run=lambda argv: print('x' * 10**6) or 0)\n"
            "sys.exit(cli.main(['zoo']))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait() == 141


class TestOutput:
    def test_json_is_exact(self, capsys: pytest.CaptureFixture[str]) -> None:
        facts = {
            "n": 10**40 + 1,
            "x": float("nan"),
            "p": Path("a"),
            "d": Data(),
            "t": (1, 2),
            "s": {"b", "a"},
        }
        print_facts(facts, as_json=True)
        assert json.loads(capsys.readouterr().out) == {
            "n": 10**40 + 1,
            "x": None,
            "p": "a",
            "d": {"name": "digits", "image_size": None, "classes": []},
            "t": [1, 2],
            "s": ["a", "b"],
        }

    def test_scalars_of_other_libraries(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_facts({"x": SimpleNamespace(item=lambda: 2.5)}, as_json=True)
        assert json.loads(capsys.readouterr().out) == {"x": 2.5}

    def test_facts(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_facts(
            {"name": "x", "parameters": 3349342, "ok": True, "none": None, "more": {"a": 0.12345}}, False
        )
        assert capsys.readouterr().out == (
            "name        x\nparameters  3,349,342\nok          yes\nnone        -\nmore\n  a  0.1235\n"
        )

    def test_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_facts([{"name": "aa", "n": 1}, {"name": "b", "n": 1000}], as_json=False)
        assert capsys.readouterr().out == "name      n\naa        1\nb     1,000\n"

    def test_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_facts(["a", "b"], as_json=False)
        assert capsys.readouterr().out == "a\nb\n"
