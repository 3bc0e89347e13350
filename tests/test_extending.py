"""Code of the user's own, by path: the examples of docs/extending.md through real commands, and refusals."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autodas import user_code
from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.operations import SEARCH_NORMS, build
from autodas.spaces import get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strict_yaml import read_yaml_file

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
EXAMPLES = dict(re.findall(r'```python title="(\w+\.py)"\n(.*?)```', PAGE, re.DOTALL))
GATE = "python:my_operations:Gate"
TINY = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--batch_size=10", "--epochs=1", "--compute.threads=1"]
TINY += ["--check_memory=false"]
DATA = ["--data=digits", "--data.subset=60"]
QUIET = ["--tensorboard=false", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of a user, with the examples in it."""
    folder = tmp_path_factory.mktemp("user")
    for name, text in EXAMPLES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def autodas(folder: Path, command: Any) -> Callable[..., str]:
    """Runs a command in a new process; returns what it prints, of an error its line."""

    def run(*words: str, folder: Path = folder, code: int = 0) -> str:
        process = command(folder, *words)
        assert process.wait() == code, process.printed[1]
        return process.printed[0 if code == 0 else 1]

    return run


@pytest.fixture(scope="module")
def kill_after_an_epoch(folder: Path, command: Any) -> Callable[..., None]:
    """Runs a command in a new process that ends without a word once the first epoch stands in its log."""

    def run(*words: str) -> None:
        process = command(folder, *words)
        name = next(word for word in words if word.startswith("--run=")).removeprefix("--run=")
        log = folder / name / "metrics.csv"
        while process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= 2:
                process.signal(signal.SIGKILL)
                process.wait()
                return
            time.sleep(0.005)
        pytest.fail("it ended before it could be killed")

    return run


@pytest.fixture(scope="module")
def gated(folder: Path, autodas: Callable[..., str]) -> Path:
    """A search that is stopped by nothing, with an operation of the user's own."""
    operations = f"skip_connect,max_pool_3x3,{GATE}"
    autodas(
        "search",
        *DATA,
        *TINY,
        *QUIET,
        f"--space.operations={operations}",
        "--strategy=sdas",
        "--strategy.schedule=python:my_schedules:late",
        "--run=gated",
    )
    # Whatever was found, the operation stands in it once.
    path = folder / "gated" / "genotype.json"
    document = json.loads(path.read_text())
    assert document["space"] is None
    document["cells"]["reduction"]["nodes"][0][0][0] = GATE
    path.write_text(json.dumps(document))
    return folder / "gated"


def test_there_is_an_example_of_each() -> None:
    assert sorted(EXAMPLES) == [
        f"my_{what}.py" for what in ("data", "engines", "methods", "operations", "schedules")
    ]


class TestOperations:
    def test_a_run_names_its_module_to_every_later_command(
        self, folder: Path, gated: Path, autodas: Callable[..., str], kill_after_an_epoch: Callable[..., None]
    ) -> None:
        size = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--auxiliary=false"]
        words = ["--epochs=1", "--batch_size=10", "--compute.threads=1", *size, *QUIET]
        autodas("train", "gated", *words, "--run=net")
        assert read_yaml_file(str(folder / "net" / "config.yaml"))["code"] == ["my_operations"]
        found = json.loads(autodas("evaluate", "net", "--data=digits", "--json"))
        assert found["count"] > 0
        from PIL import Image

        Image.new("L", (8, 8), 90).save(folder / "a.png")
        assert "a.png" in autodas("predict", "net", "a.png")
        assert json.loads(autodas("profile", "gated", *size[:3], "--json"))["parameters"] > 0
        # A training that goes on builds its network again.
        words[0] = "--epochs=2"
        kill_after_an_epoch("train", "gated", *words, "--run=stopped-net")
        autodas("train", "--resume=stopped-net")
        assert (folder / "stopped-net" / "summary.json").exists()

    def test_drawings_import_nothing(self, gated: Path, tmp_path: Path, autodas: Callable[..., str]) -> None:
        (tmp_path / "my_operations.py").write_text("raise SystemExit('imported')")
        autodas("report", str(gated), "-o", "page.html", folder=tmp_path)
        assert "Gate" in (tmp_path / "page.html").read_text()
        autodas("draw", str(gated), "-o", "cells.svg", folder=tmp_path)
        drawn = "".join(path.read_text() for path in tmp_path.rglob("*.svg"))
        assert "Gate" in drawn
        assert GATE not in drawn

    def test_a_genotype_alone_imports_nothing(
        self, folder: Path, gated: Path, autodas: Callable[..., str]
    ) -> None:
        alone = folder / "alone"
        alone.mkdir()
        (alone / "my_operations.py").write_text("open('imported', 'w')\n")
        (alone / "genotype.json").write_bytes((gated / "genotype.json").read_bytes())
        line = autodas("profile", "genotype.json", "--skeleton.K=0", folder=alone, code=2)
        assert line.count("\n") == 1
        assert f"operation '{GATE}' is code in the module 'my_operations'" in line
        assert "allow it with --code my_operations" in line
        assert not (alone / "imported").exists()
        (alone / "my_operations.py").write_bytes((folder / "my_operations.py").read_bytes())
        autodas("profile", "genotype.json", "--skeleton.K=0", "--code=my_operations", folder=alone)

    def test_a_search_that_was_stopped_goes_on(
        self, folder: Path, autodas: Callable[..., str], kill_after_an_epoch: Callable[..., None]
    ) -> None:
        words = [*DATA, *TINY, *QUIET, "--epochs=2", f"--space.operations=skip_connect,max_pool_3x3,{GATE}"]
        autodas("search", *words, "--run=whole")
        kill_after_an_epoch("search", *words, "--run=stopped", "--checkpoint_every=1")
        autodas("search", "--resume=stopped")
        both = [(folder / run / "genotype.json").read_text() for run in ("whole", "stopped")]
        assert both[0] == both[1]

    @pytest.mark.usefixtures("forked_jobs")
    def test_compare(self, folder: Path, autodas: Callable[..., str]) -> None:
        search = [f"--search.{word[2:]}" for word in TINY[:3]]
        words = [
            *DATA,
            *search,
            "--preset=quickstart",
            "--methods=random,python:my_methods:Sharp",
            "--seeds=1",
            "--search.tensorboard=false",
            "--train.tensorboard=false",
        ]
        words += ["--search.epochs=1", "--train.epochs=1", "--search.strategy.candidates=2"][:2]
        words += [f"--search.space.operations=skip_connect,max_pool_3x3,{GATE}", "--train.skeleton.K=0"]
        words += ["--train.skeleton.C1=4", "--train.skeleton.C2=8", "--run=compared"]
        table = autodas("compare", *words)
        assert "Sharp" in table

    @pytest.mark.parametrize(
        ("text", "name", "message"),
        [
            (
                None,
                "nothing_here:Gate",
                "module 'nothing_here' cannot be imported: ModuleNotFoundError: No module",
            ),
            ("x = 1\n1 / 0\n", "fails:Gate", "fails.py, line 2: division by zero"),
            ("x = 1\nif:\n", "wrong:Gate", "wrong.py, line 2: invalid syntax"),
            ("def gate():\n    pass\n", "other:Gate", "other.py) has no 'Gate'; did you mean 'gate'?"),
            (
                "\n\nclass Gate:\n    pass\n",
                "kind:Gate",
                "kind.py, line 3): a function of channels, stride and norms",
            ),
            (
                "def Gate(c, s, n):\n    return 7\n",
                "seven:Gate",
                "seven.py, line 1): a module is expected, int",
            ),
            ("def Gate(c, s, n):\n    return c[0]\n", "inner:Gate", "inner.py, line 2: 'int' object is not"),
        ],
    )
    def test_what_is_wrong_is_told_with_file_and_line(
        self, text: str | None, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = name.partition(":")[0]
        if text is not None:
            (tmp_path / f"{module}.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        user_code.allow_code(module)
        with pytest.raises(AutodasError, match=re.escape(message)):
            build(f"python:{name}", 4, (1, 1), SEARCH_NORMS)

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (("skip_connect", "sep_conv_3x4"), "'sep_conv_3x4' is unknown; did you mean 'sep_conv_3x3'?"),
            (("skip_connect", "skip_connect"), "'skip_connect' is repeated"),
            (("none", "skip_connect"), "at least two besides 'none' are needed"),
        ],
    )
    def test_sets_of_operations_that_are_refused(self, names: tuple[str, ...], message: str) -> None:
        with pytest.raises(AutodasError, match=re.escape(message)):
            get_space("cifar-o2d").with_operations(names)

    def test_operations_for_images_are_refused_for_videos(self) -> None:
        with pytest.raises(AutodasError, match="'sep_conv_3x3' is for images, not for video"):
            get_space("video-o3d").with_operations(["skip_connect", "sep_conv_3x3"])


class TestStrategies:
    def test_a_search(self, folder: Path, autodas: Callable[..., str]) -> None:
        words = [*DATA, *TINY, *QUIET, "--strategy=python:my_methods:Sharp", "--strategy.strength=0.5"]
        autodas("search", *words, "--run=sharp")
        saved = (folder / "sharp" / "config.yaml").read_text()
        assert "name: python:my_methods:Sharp" in saved
        assert "strength: 0.5" in saved
        Genotype.load(folder / "sharp" / "genotype.json")
        autodas("report", "sharp", "-o", "sharp.html")

    def test_help(self, folder: Path, autodas: Callable[..., str]) -> None:
        text = " ".join(autodas("search", "--strategy=python:my_methods:Sharp", "--help-all").split())
        assert "factor of the mean entropy" in text
        assert "DAS with a penalty on the entropy of its weights" in text

    def test_a_preset_that_names_it(self, folder: Path, autodas: Callable[..., str]) -> None:
        (folder / "mine.yaml").write_text("strategy:\n  name: python:my_methods:Sharp\n  strength: 0.25\n")
        text = autodas("search", "--config=mine.yaml", *DATA, "--print_config")
        assert "strength: 0.25" in text

    @pytest.mark.parametrize(
        ("text", "name", "message"),
        [
            (
                "class Mine:\n    pass\n",
                "no_strategy:Mine",
                "line 1): a subclass of autodas.Strategy is expected",
            ),
            (
                "from autodas.strategies.das import DAS\n\nclass Mine(DAS):\n    settings: int\n",
                "no_settings:Mine",
                "line 3): its 'settings' must be annotated with a dataclass",
            ),
        ],
    )
    def test_of_the_wrong_kind(
        self, text: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / f"{name.partition(':')[0]}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(AutodasError, match=re.escape(message)):
            choose_strategy(f"python:{name}")

    def test_in_python(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(folder)
        choice = choose_strategy("python:my_methods:Sharp", strength=0.2, learning_rate=0.1)
        assert (choice.settings.strength, choice.settings.learning_rate) == (0.2, 0.1)  # type: ignore[attr-defined]
        assert load_strategy(choice.name).name == "sharp"
        with pytest.raises(AutodasError, match="no setting 'strenght'; did you mean 'strength'"):
            choose_strategy("python:my_methods:Sharp", strenght=0.2)


def test_data(folder: Path, autodas: Callable[..., str]) -> None:
    assert "upright" in autodas("data", "check", "python:my_data:stripes")


def test_engine(folder: Path, autodas: Callable[..., str]) -> None:
    words = [
        "--space.K=0",
        "--space.C1=4",
        "--space.C2=8",
        "--batch_size=4",
        "--repeats=1",
        "--image_size=16",
    ]
    table = autodas("bench", "step", "--engines=fused,python:my_engines:plain", *words, "--memory=false")
    assert "python:my_engines:plain" in table


def test_public_names_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    import autodas as public

    assert public.Strategy is load_strategy("das").__mro__[-3]
    public.allow_code("package.module")
    assert main(["--version"]) == 0
