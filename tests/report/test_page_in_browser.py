"""The page in a browser without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.report.page.runs import write_search, write_training

from autodas.report.page import write_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    search = write_search(folder / "search")
    training = write_training(folder / "train", search)
    return write_page([search, training], folder / "report.html")


def looks(page: Any) -> list[str]:
    """Return what every edge of the evolution looks like."""
    found: list[str] = page.locator(".evolution .labels > g").evaluate_all(
        "edges => edges.map(e => [getComputedStyle(e).visibility, e.getAttribute('class'),"
        " e.querySelector('text').textContent].join(' '))"
    )
    return found


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for something, at most ten seconds; the page's policy lets no one ask it in text."""
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def test_the_slider_moves_the_drawing(page: Any) -> None:
    slider = page.get_by_label("Step of the evolution")
    last = looks(page)
    assert sum(look.startswith("visible") for look in last) == 16, "two cells of four nodes with two edges"
    slider.fill("0")
    first = looks(page)
    assert first == ["visible edge undecided "] * 28
    assert "Iteration 0" in page.locator(".moment").inner_text()
    slider.fill(slider.get_attribute("max"))
    assert looks(page) == last


def test_keys_move_the_drawing(page: Any) -> None:
    slider = page.get_by_label("Step of the evolution")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.input_value() == "0"
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "1"
    assert looks(page) != ["visible edge undecided "] * 28
    assert "becomes" in slider.get_attribute("aria-valuetext")
    description = page.locator(".evolution desc").all_text_contents()
    assert sum(text.count("undecided") for text in description) == 27
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert slider.input_value() == "0", "the button before the slider goes back"


def test_play(page: Any) -> None:
    slider, play = page.get_by_label("Step of the evolution"), page.locator(".play")
    play.click()
    assert play.inner_text() == "Pause"
    until(page, lambda: int(slider.input_value()) > 2)
    play.click()
    stopped = slider.input_value()
    assert play.inner_text() == "Play"
    page.wait_for_timeout(900)
    assert slider.input_value() == stopped
    assert 2 < int(stopped) < int(slider.get_attribute("max"))


def test_a_decision_leads_to_its_step(page: Any) -> None:
    """A click, or Enter, moves the slider to the decision, shows it, and stops the animation."""
    slider, play = page.get_by_label("Step of the evolution"), page.locator(".play")
    page.locator("#run-1-decisions summary").click()
    rows = page.locator("#run-1-decisions tbody tr")
    for number, act in ((4, "click"), (20, "press")):
        row, link = rows.nth(number), rows.nth(number).get_by_role("link")
        step, iteration, decision = (row.locator("td").nth(column).inner_text() for column in (0, 1, 4))
        play.click()
        link.click() if act == "click" else link.press("Enter")
        said = page.locator(".moment").inner_text()
        assert said.startswith(f"Iteration {iteration},")
        assert f" {step} decisions: " in said
        assert decision in said
        assert play.inner_text() == "Play"
        until(page, lambda: 0 <= slider.bounding_box()["y"] < 300)  # of 800
        page.keyboard.press("ArrowLeft")
        assert f" {step} decisions: " not in page.locator(".moment").inner_text(), "the slider has the focus"


@pytest.mark.parametrize(("width", "columns"), [(1440, 2), (1100, 2), (900, 1), (390, 1)])
def test_kinds_of_cells_are_side_by_side_where_they_fit(page: Any, width: int, columns: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for drawings in (
        ".evolution .cells > figure",
        "#run-1-cells .cells > figure",
        "#run-1-weights .kinds > *",
    ):
        boxes = [each.bounding_box() for each in page.locator(drawings).all()]
        assert len(boxes) == 2
        assert len({box["x"] for box in boxes}) == columns, drawings
        assert len({box["y"] for box in boxes}) == 3 - columns, drawings


def test_without_scripts_it_can_be_read(browser: Any, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("#run-1-decisions summary").click()
    page.locator("#run-1-decisions tbody a").first.click()
    assert page.get_by_label("Step of the evolution").bounding_box()["y"] < 300, "the link leads there"
    assert page.locator("#comparison tbody tr").count() == 1
    assert page.locator("th button").count() == 0, "no button that does nothing"
    context.close()


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_scrolls_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Any, scheme: str) -> None:
    """Text has a contrast of 4.5 with the page, as WCAG asks for."""
    page.emulate_media(color_scheme=scheme)
    ratios = page.evaluate(
        """() => {
          const bright = (name) => {
            const probe = document.body.appendChild(document.createElement("p"));
            probe.style.color = `var(--${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).map((part) => part / 255);
            probe.remove();
            const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const paper = bright("paper");
          return ["ink", "pale", "accent", "alarm"].map((name) => {
            const [low, high] = [bright(name), paper].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          });
        }"""
    )
    assert min(ratios) >= 4.5
