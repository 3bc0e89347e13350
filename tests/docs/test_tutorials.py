"""The tutorials, run as they are printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
MADE = {
    "pictures": [
        "sheet.png",
        "cell-normal.svg",
        "search.html",
        "evolution.gif",
        "runs/comparison/comparison.md",
    ],
    "clips": ["sheet.png", "cell-normal.svg", "report.html"],
    "device": ["table.html", "front.svg"],
    "methods": ["runs/comparison/comparison.md", "comparison.html"],
}
"""Files that each tutorial makes, pages and pictures among them."""


def test_every_tutorial_is_run() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md")) == sorted(MADE)


@pytest.fixture
def run_page(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch, forked_jobs: None) -> Any:
    """Runs all blocks of a page in order, in an empty folder, and returns the names of its programs."""

    def run_commands(text: str) -> None:
        for line in text.replace("\\\n", "").splitlines():
            program, *words = shlex.split(line)
            assert program == "autodas"
            process = command(tmp_path, *words)
            assert process.wait() == 0, (line, process.printed[1])

    def run(name: str) -> dict[str, Any]:
        page = PAGES / f"{name}.md"
        monkeypatch.chdir(tmp_path)
        names: dict[str, Any] = {}
        blocks = re.findall(r'```(python|sh|yaml title="([^"]+)")\n(.*?)```', page.read_text(), re.DOTALL)
        for language, title, text in blocks:
            if title:
                (tmp_path / title).write_text(text)
            elif language == "python":
                exec(compile(text, str(page), "exec"), names)
            else:
                run_commands(text)
        for file in MADE[name]:
            assert (tmp_path / file).stat().st_size > 100, file
        return names

    return run


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestTutorials:
    def test_pictures(self, run_page: Any, capsys: pytest.CaptureFixture[str]) -> None:
        names = run_page("pictures")
        printed = capsys.readouterr().out.split()[-2:]
        assert printed[0] in names["facts"].classes
        assert 0 < float(printed[1]) <= 1

    def test_clips(self, run_page: Any) -> None:
        pytest.importorskip("av")
        names = run_page("clips")
        found = [names["facts"].classes[int(clip.argmax())] for clip in names["probabilities"]]
        # Parts in which the digit moves one way all the time.
        assert [found[0], found[6], found[-1]] == ["left", "up", "right"]

    def test_device(self, run_page: Any, tmp_path: Path) -> None:
        limits = run_page("device")["limits"]
        front = (tmp_path / "front.svg").read_text()
        assert all(f"{limit:g}" in front for limit in limits)

    def test_methods(self, run_page: Any, tmp_path: Path) -> None:
        run_page("methods")
        table = (tmp_path / "runs" / "comparison" / "comparison.md").read_text()
        assert all(method in table for method in ("das", "sdas-a", "random"))
