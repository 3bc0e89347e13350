"""A table of all 15,625 cells of NAS-Bench-201 that counts their 3x3 convolutions, from 0 to 6."""

from __future__ import annotations

import itertools
from pathlib import Path

NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def write_table(path: Path) -> list[str]:
    """Write the table as if it were the accuracy on digits; return its lines."""
    rows = ["architecture,digits_test"]
    for a, b, c, d, e, f in itertools.product(NAMES, repeat=6):
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        rows.append(f"{text},{text.count('nor_conv_3x3')}")
    path.write_text("\n".join(rows))
    return rows
