"""Write the table of ``docs/baselines.md``: hand-crafted networks, as counted here and as printed.

usage: python benchmarks/baselines.py
"""

from __future__ import annotations

from pathlib import Path

from autodas.networks import profile_handcrafted

PAGE = Path(__file__).resolve().parents[1] / "docs" / "baselines.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

PRINTED = {
    "bninception-2d": (0.62, 0.92, "12.67 ± 0.20"),
    "xception-2d": (1.28, 1.15, "11.31 ± 0.04"),
    "resnet50-2d": (1.41, 1.13, "12.07 ± 0.05"),
    "resnet101-2d": (2.55, 2.00, "11.78 ± 0.22"),
    "resnext50-2d": (1.63, 1.29, "11.30 ± 0.18"),
    "resnext101-2d": (3.01, 2.34, "11.30 ± 0.20"),
    "senet-2d": (3.30, 2.34, "10.84 ± 0.10"),
    "bninception-3d": (0.76, 1.00, "12.32 ± 0.15"),
    "xception-3d": (1.30, 1.17, "10.61 ± 0.13"),
    "resnet50-3d": (1.63, 1.30, "11.74 ± 0.27"),
    "resnet101-3d": (2.97, 2.32, "11.33 ± 0.10"),
    "resnext50-3d": (1.74, 1.38, "10.96 ± 0.21"),
    "resnext101-3d": (3.22, 2.50, "10.40 ± 0.05"),
    "senet-3d": (3.51, 2.50, "10.03 ± 0.09"),
}
"""SDAS (Qiu et al., 2019), table 8: parameters (2^20), multiply-adds (2^30) and error on Kinetics10 (%)."""

HEAD = (
    "network",
    "parameters",
    "M",
    "printed",
    "differs",
    "multiply-adds",
    "G",
    "printed",
    "differs",
    "error, printed (%)",
)


def page(text: str) -> str:
    """Return the page with its table renewed; what stands between the two marks is replaced."""
    before, _, rest = text.partition(BEGIN)
    lines = [_row(HEAD), _row(["---", *["---:"] * (len(HEAD) - 1)])]
    for name, (parameters, multiply_adds, error) in PRINTED.items():
        found = profile_handcrafted(name)
        cells = [
            *_compared(found.parameters, 2**20, parameters),
            *_compared(found.multiply_adds, 2**30, multiply_adds),
        ]
        lines.append(_row([f"`{name}`", *cells, error]))
    return "\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{rest.partition(END)[2]}"])


def _compared(count: int, unit: int, printed: float) -> list[str]:
    value = count / unit
    return [f"{count:,}", f"{value:.2f}", f"{printed:.2f}", f"{100 * (value / printed - 1):+.1f} %"]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
