"""Tables of accuracies: reading them, and what they say about an architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autodas.benchmark_string import read_benchmark_string
from autodas.errors import AutodasError
from autodas.tables import open_table
from autodas.zoo import load_zoo

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
CONVS = SKIPS.replace("skip_connect", "nor_conv_3x3")
POOLS = SKIPS.replace("skip_connect", "avg_pool_3x3")
# The edges of a node may come in any order.
TURNED = "|nor_conv_1x1~0|+|none~1|nor_conv_1x1~0|+|none~2|none~1|nor_conv_1x1~0|"


def write(path: Path, *rows: str, head: str = "architecture,cifar10_test,cifar100_test,parameters") -> str:
    path.write_text("\n".join([head, *rows]) + "\n")
    return f"nasbench201:{path}"


def test_by_hand(tmp_path: Path) -> None:
    name = write(
        tmp_path / "t.csv",
        f"{SKIPS},80,50,1",
        f"{CONVS},94.5,73.5,2",
        f"{POOLS},60,20,3",
        f"{TURNED},80,40,4",
    )
    table = open_table(name)
    assert table.data == ("cifar10", "cifar100")
    assert table.look_up(read_benchmark_string(CONVS)) == {"cifar10": 94.5, "cifar100": 73.5}
    straight = "|nor_conv_1x1~0|+|nor_conv_1x1~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    assert table.look_up(read_benchmark_string(straight)) == {"cifar10": 80.0, "cifar100": 40.0}
    assert [table.share_worse("cifar10", a) for a in (60, 80, 94.5, 99)] == [0, 0.25, 0.75, 1]
    assert (table.best("cifar10"), table.mean("cifar10")) == (94.5, (80 + 94.5 + 60 + 80) / 4)
    assert table.ranked("cifar100") == [20, 40, 50, 73.5]
    assert (table.column("cifar100:x"), table.column("digits")) == ("cifar100", "cifar10")
    assert table.note("cifar10:/data") is None
    assert "does not describe digits" in (table.note("digits") or "")
    table.check("nasbench201")


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        ([f"{SKIPS},80,50,1", f"{SKIPS},81,50,1"], None, "line 3: the architecture .* appears twice"),
        ([f"{SKIPS},80,50,1", TURNED.replace("~1", "~9") + ",1,1,1"], None, "line 3: .*node 2"),
        ([f"{SKIPS},80,50"], None, "line 2: 3 columns, expected 4"),
        ([f"{SKIPS},101,50,1"], None, "line 2, cifar10_test: expected an accuracy in percent, found '101'"),
        ([f"{SKIPS},nan,50,1"], None, "line 2, cifar10_test: expected an accuracy"),
        ([], None, "no architectures"),
        ([f"{SKIPS},1,1"], "architecture,a,b", "a column 'architecture', and one such as 'cifar10_test'"),
        ([f"{SKIPS},1,1"], "net,a_test,b", "a column 'architecture'"),
        ([f"{SKIPS},1,1"], "architecture,a_test,a_test", "several columns have the same name"),
        ([f'"{SKIPS},1,1,1'], None, "t.csv, line"),
    ],
)
def test_bad_files(rows: list[str], head: str | None, message: str, tmp_path: Path) -> None:
    name = write(tmp_path / "t.csv", *rows, **({} if head is None else {"head": head}))
    with pytest.raises(AutodasError, match=message):
        open_table(name)


@pytest.mark.parametrize("name", ["nasbench201", "nasbench201:", "file.csv", "other:file.csv"])
def test_bad_names(name: str) -> None:
    with pytest.raises(AutodasError, match="expected nasbench201:FILE"):
        open_table(name)


def test_architectures_that_are_missing(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "t.csv", f"{SKIPS},80,50,1"))
    with pytest.raises(AutodasError, match=r"lacks the architecture \|nor_conv_3x3~0\|"):
        table.look_up(read_benchmark_string(CONVS))
    with pytest.raises(AutodasError, match="is not its space"):
        table.look_up(load_zoo("darts_v2"))
    with pytest.raises(AutodasError, match="describes space nasbench201, but the search is in o2d"):
        table.check("o2d")
    with pytest.raises(AutodasError, match="cannot be read"):
        open_table(f"nasbench201:{tmp_path / 'missing.csv'}")


def test_the_published_table(shared_data: Callable[[str], Path]) -> None:
    """All 15,625 cells; mean and best accuracy as stated where the table comes from."""
    table = open_table(f"nasbench201:{shared_data('nasbench201/accuracy.csv')}")
    assert len(table.accuracies) == 5**6
    assert table.data == ("cifar10", "cifar100", "imagenet16_120")
    assert table.best("cifar10") == pytest.approx(94.37, abs=0.005)
    assert table.mean("cifar10") == pytest.approx(87.06, abs=0.05)
    assert 0.99 < table.share_worse("cifar10", 94.0) < 1
