"""Charts of a page as SVG documents of their own."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEAD = 46
"""Height of the title and the legend."""
_FIGURE = re.compile(
    r'<figcaption>(?P<title>.*?)</figcaption><ul class="legend">(?P<legend>.*?)</ul>'
    r'<svg viewBox="0 0 (?P<width>\d+) (?P<height>\d+)".*?>(?P<drawn>.*)</svg>',
    re.DOTALL,
)
_SAMPLE = re.compile(r'<li><svg [^>]*class="sample">(?P<mark>.*?)</svg>(?P<name>.*?)</li>', re.DOTALL)


def standalone(figure: str) -> str:
    """Return a chart as an SVG document, in the light colours of pages, with title and legend inside.

    Args:
        figure: chart as HTML, as of :func:`~autodas.report.page._charts.scatter_chart`.
    """
    found = _FIGURE.search(figure)
    assert found is not None, "a chart has a title, a legend and a drawing"
    width, height = int(found["width"]), int(found["height"]) + _HEAD
    legend, x = [], 12
    for sample in _SAMPLE.finditer(found["legend"]):
        name = sample["name"]
        legend.append(
            f'<g transform="translate({x} 26)">{sample["mark"]}<text x="30" y="11">{name}</text></g>'
        )
        x += 44 + 7 * len(name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><style>{_style()}</style><rect width="100%" height="100%" fill="white"/>'
        f'<text x="12" y="18" class="title">{found["title"]}</text>{"".join(legend)}'
        f'<g transform="translate(0 {_HEAD})">{found["drawn"]}</g></svg>'
    )


@cache
def light_colours() -> dict[str, str]:
    """Return the light colours of pages by the names of their variables."""
    css = (files("autodas.report.page") / "page.css").read_text(encoding="utf-8")
    colours: dict[str, str] = {}
    for name, colour in re.findall(r"--([\w-]+): (#\w+);", css):
        colours.setdefault(name, colour)  # the light ones come first
    return colours


def _style() -> str:
    """Return the rules of the page for charts, with the light colours in place of variables."""
    colours = light_colours()
    rules = [
        f"text {{ font: 12px sans-serif; fill: {colours['ink']}; }}",
        f".title {{ font-weight: 600; }} .tick {{ fill: {colours['pale']}; }}",
        f".grid {{ stroke: {colours['rule']}; fill: none; }} .bar {{ stroke-width: 1.5; }}",
        ".line { fill: none; stroke-width: 2; }",
    ]
    for name in sorted(key for key in colours if re.fullmatch(r"s\d", key)):
        rules.append(f".{name} {{ stroke: {colours[name]}; }} .marks.{name} {{ fill: {colours[name]}; }}")
    return " ".join(rules)
