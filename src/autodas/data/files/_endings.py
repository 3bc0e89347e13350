"""Image and video files, recognised by the endings of their names."""

from __future__ import annotations

import contextlib
from functools import cache

IMAGE_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),
    "DDS": (".dds",),
    "ICNS": (".icns",),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "PSD": (".psd",),
    "QOI": (".qoi",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "SUN": (".ras",),
    "XBM": (".xbm",),
    "TGA": (".tga", ".icb", ".vda", ".vst"),
}
"""Formats of Pillow that are decoded in this process, and their file name endings. Excluded are formats that
start other programs (PostScript), formats that only refer to data elsewhere, and vector graphics."""
ARRAY_ENDINGS = (".npy",)
"""Endings of numpy files, whose arrays are also accepted as images."""
UNMARKED = ("TGA",)
"""Formats whose files do not begin with a signature: they are only recognised by their endings."""

VIDEO_ENDINGS = (
    *(".mp4", ".m4v", ".mp4v", ".mov", ".qt", ".avi", ".divx", ".xvid", ".mkv", ".mk3d", ".webm"),
    *(".mpg", ".mpeg", ".mpe", ".mpv", ".m1v", ".m2v", ".vob", ".evo", ".dat", ".mod", ".tod"),
    *(".ts", ".mts", ".m2ts", ".m2t", ".trp", ".tp", ".mxf", ".gxf", ".dv", ".dif"),
    *(".asf", ".wmv", ".wm", ".wtv", ".flv", ".f4v", ".ogv", ".ogm", ".rm", ".rmvb", ".ivr"),
    *(".3gp", ".3gpp", ".3g2", ".mj2", ".mjpeg", ".mjpg", ".y4m", ".nut", ".amv", ".nsv", ".ismv"),
    *(".h261", ".h263", ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".ivf", ".obu", ".viv"),
)
"""Endings of files that are treated as videos, in lower or upper case."""


@cache
def known_formats() -> tuple[str, ...]:
    """Return the image formats that this build of Pillow reads."""
    import PIL.Image

    PIL.Image.init()
    # A plugin of Pillow for the photos of many phones.
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in IMAGE_FORMATS if name in PIL.Image.OPEN)


@cache
def image_endings() -> tuple[str, ...]:
    """Return the endings of files that are treated as images, in lower or upper case."""
    return (*(ending for name in known_formats() for ending in IMAGE_FORMATS[name]), *ARRAY_ENDINGS)
