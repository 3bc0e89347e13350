"""A few damaged files of every format that is read; ``benchmarks/fuzzing/campaign.py`` reads thousands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzzing"


@pytest.fixture(scope="module")
def campaign() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import campaign

        yield campaign


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_damaged_file_surprises(campaign: ModuleType, tmp_path: Path) -> None:
    each = campaign.formats(tmp_path / "seeds")
    assert len({one.name for one in each}) == len(each) >= 25
    for one in each:
        found = campaign.run(one, 3 if one.writes else 10, seed=1)
        assert found["faults"] == {}, one.name
        assert found["executed"] == 0
        assert found["read"] + found["refused"] == found["inputs"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_campaign_sees_faults(campaign: ModuleType, tmp_path: Path) -> None:
    """Readers with a fault of each kind are caught, each with its name."""
    import os
    import time

    import formats

    seed = tmp_path / "seed"
    seed.write_text("x")

    def faults(read: object) -> dict[str, int]:
        one = formats.Format("made up", (seed,), lambda content, random: b"damaged", read, "f")
        found: dict[str, int] = campaign.run(one, 2, seed=0)
        return {name: count for name, count in found.items() if isinstance(count, int) and count}

    def hungry(path: Path) -> None:
        blocks: list[bytes] = []
        while path.read_text() == "damaged":  # the good file is read without a limit
            blocks.append(bytes(campaign.MEMORY // 4))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "SECONDS", 0.5)
        assert faults(lambda path: {}["key"])["tracebacks"] == 2
        assert faults(lambda path: os._exit(3))["crashes"] == 2
        assert faults(lambda path: time.sleep(60))["hangs"] == 2
        patch.setattr(campaign, "SECONDS", 30)
        assert faults(hungry)["out of memory"] == 2
        assert faults(lambda path: os.system("true"))["executed"] == 2
        assert faults(lambda path: path.read_text())["read"] == 2


def test_the_same_seed_does_the_same_damage(campaign: ModuleType) -> None:
    import mutations

    content = b'{"a": [1, 2, {"b": "text"}]}'
    first, again = ([mutations.json_damage(content, Random(i)) for i in range(50)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 40
