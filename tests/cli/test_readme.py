"""Every command of the README and of the published settings runs, as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autodas.cli.main import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 120  # lines of the README: five minutes of reading

# The commands are those of the README; only their length and the size of what they compute is cut.
SHORTER = {
    "search": [
        *("--epochs=1", "--batch_size=8", "--space.K=0", "--space.C1=4", "--space.C2=8", "--quiet"),
        "--check_memory=false",
    ],
    "train": ["--epochs=1", "--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--quiet"],
}


OF_IMAGES = ["--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3"]
OF_CIFAR = [*OF_IMAGES, "--data.subset=100", "--data.storage=stream"]  # reads what it needs of 60,000


def readme_commands() -> list[list[str]]:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/published.md"))
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [
        shlex.split(line, comments=True)
        for block in blocks
        for line in block.replace("\\\n", "").splitlines()
        if line
    ]


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") < LONGEST


def make_flowers(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        for label, name in enumerate(("rose", "tulip")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 120, (40, 50, 3)) + 120 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{i}.jpg")


def test_readme_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_flowers(tmp_path / "flowers")
    monkeypatch.chdir(tmp_path)
    commands = readme_commands()
    assert len(commands) == 6
    cifar = ROOT.parent / "shared/data/cifar10"
    for program, command, *words in commands:
        assert program == "autodas"
        if any("cifar10:PATH" in word for word in words):
            if not cifar.exists():
                continue
            words = [word.replace("cifar10:PATH", f"cifar10:{cifar}") for word in words]
        short = SHORTER.get(command, [])
        if command == "search":
            data = next(word for word in words if ":" in word)
            kinds = {"imagefolder": OF_IMAGES, "cifar10": OF_CIFAR}
            short = [*short, *kinds[data.partition(":")[0]]]
        assert main([command, *words, *short]) == 0, f"{command} {words}: {capsys.readouterr().err}"
    printed = capsys.readouterr().out
    assert "1,076,746,950,455,072,400" in printed or "1076746950455072400" in printed
    assert (tmp_path / "runs/flowers-net/model.safetensors").exists()


def test_readme_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) if "Search(" in b)
    block = block.replace('open_dataset("digits")', 'open_dataset("digits", subset=60)')
    block = block.replace("K=1, C1=24, C2=32", "K=0, C1=4, C2=8").replace("epochs=10", "epochs=1")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["network"].classifier.out_features == 10
    assert (tmp_path / "runs/mine/genotype.json").exists()
