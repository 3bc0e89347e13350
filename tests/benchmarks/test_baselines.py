"""The table of hand-crafted networks in the documentation."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def baselines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import baselines

    return baselines


def test_the_page_shows_what_is_counted(baselines: ModuleType) -> None:
    text = baselines.PAGE.read_text(encoding="utf-8")
    assert text == baselines.page(text), "run: python benchmarks/baselines.py"


def test_a_row_by_hand(baselines: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "PRINTED", {"resnet101-2d": baselines.PRINTED["resnet101-2d"]})
    rows = baselines.page(f"before\n{baselines.BEGIN}\nold\n{baselines.END}\nafter\n").splitlines()
    assert rows[:2] == ["before", baselines.BEGIN]
    assert rows[-2:] == [baselines.END, "after"]
    (row,) = (row for row in rows if "resnet101-2d" in row)
    # 2,682,906 / 2^20 is 2.5586, 0.34 % above 2.55; 2,147,537,920 / 2^30 is 2.00005.
    cells = "2,682,906 | 2.56 | 2.55 | +0.3 % | 2,147,537,920 | 2.00 | 2.00 | +0.0 % | 11.78 ± 0.22"
    assert row == f"| `resnet101-2d` | {cells} |"
    assert "old" not in rows
