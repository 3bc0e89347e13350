"""Code of the user's own, by path: the examples of docs/extending.md through real commands, and refusals."""

from __future__ import annotations

import json
import math
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from autodas import open_dataset, user_code
from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.loop.tasks import task_of
from autodas.operations import SEARCH_NORMS, build
from autodas.settings import OptimSettings
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
        f"my_{what}.py" for what in ("data", "engines", "methods", "operations", "schedules", "tasks")
    ]


class TestTasks:
    """A head and a loss of the user's own, for the answers of a classification."""

    ORDINAL = "python:my_tasks:Ordinal"

    def test_loss_and_probabilities_by_hand(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(user_code, "_ALLOWED", set())
        task = task_of(open_dataset("digits", subset=60, task=self.ORDINAL), OptimSettings())
        assert (task.outputs, task.name) == (9, "classification")
        assert task.described() == {"name": "classification", "code": self.ORDINAL}
        three = type(task)(("low", "middle", "high"))
        # Above low with probability 0.8, above middle with 0.6 and 0.9, which cannot be more than 0.8.
        outputs = torch.tensor([[0.8, 0.6], [0.8, 0.9]]).logit()
        expected = torch.tensor([[0.2, 0.2, 0.6], [0.2, 0.0, 0.8]])
        assert torch.allclose(three.probabilities(outputs), expected, atol=1e-6)
        loss = three.loss(outputs, torch.tensor([1, 2]))
        assert float(loss) == pytest.approx(-sum(map(math.log, (0.8, 0.4, 0.8, 0.9))) / 4)
        (best, *_) = three.predict(outputs[:1], None)
        assert (best["class"], best["probability"]) == ("high", pytest.approx(0.6))

    def test_a_search_a_training_and_what_follows(self, folder: Path, autodas: Callable[..., str]) -> None:
        autodas("search", *DATA, *TINY, *QUIET, "--strategy=das", f"--task={self.ORDINAL}", "--run=ordinal")
        size = ["--skeleton.C1=4", "--skeleton.C2=8", "--auxiliary=false", "--epochs=2", "--batch_size=10"]
        # The task is taken over with the data.
        autodas("train", "ordinal", *size, "--compute.threads=1", *QUIET, "--run=ordinal-net")
        with safe_open(str(folder / "ordinal-net/model.safetensors"), "pt") as file:
            assert file.get_slice("classifier.weight").get_shape()[0] == 9
        summary = json.loads((folder / "ordinal-net/summary.json").read_text())
        found = json.loads(autodas("evaluate", "ordinal-net", "--data=digits", "--json"))
        assert found["top1"] == pytest.approx(summary["test"]["top1"])
        predicted = pq.read_table(folder / "ordinal-net/predictions.parquet").to_pydict()
        hits = [a == b for a, b in zip(predicted["label"], predicted["predicted"], strict=True)]
        assert found["top1"] == pytest.approx(100 * sum(hits) / len(hits))
        Image.new("L", (8, 8), 90).save(folder / "digit.png")
        assert "digit.png" in autodas("predict", "ordinal-net", "digit.png")
        autodas("report", "ordinal", "ordinal-net", "-o", "ordinal.html")
        assert "This part is missing" not in (folder / "ordinal.html").read_text()
        # A model file alone imports nothing.
        alone = folder / "alone.safetensors"
        alone.write_bytes((folder / "ordinal-net/model.safetensors").read_bytes())
        told = autodas("evaluate", "alone.safetensors", "--data=digits", code=2)
        assert "is code in the module 'my_tasks', which is not imported without permission" in told
        assert "--code my_tasks" in told
        autodas("evaluate", "alone.safetensors", "--data=digits", "--code=my_tasks")

    @pytest.mark.parametrize(
        ("task", "message"),
        [
            ("python:my_tasks:Ordnal", "has no 'Ordnal'; did you mean 'Ordinal'?"),
            (
                "python:my_tasks:OrdinalMeter",
                "extends none of classification, multilabel, regression, embedding",
            ),
            ("python:no_tasks:Ordinal", "module 'no_tasks' cannot be imported"),
            ("ordinal", "unknown task 'ordinal'"),
            (
                "python:my_targets:Angle",
                "its samples have one class each: omit --task python:my_targets:Angle",
            ),
        ],
    )
    def test_refusals(self, task: str, message: str, folder: Path, autodas: Callable[..., str]) -> None:
        text = "from autodas.loop.tasks import Regression\n\n\nclass Angle(Regression):\n    pass\n"
        (folder / "my_targets.py").write_text(text)
        assert message in autodas("search", *DATA, *TINY, f"--task={task}", "--dry_run", code=2)


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
