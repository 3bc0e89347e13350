"""Images and videos named on a command line."""

from __future__ import annotations

import os
from pathlib import Path

from autodas.errors import AutodasError


def files_of(names: tuple[str, ...], *, videos: bool) -> list[Path]:
    """Return images, or videos, and those in folders.

    Raises:
        AutodasError: if one is missing, or a folder holds none.
    """
    from autodas.cli._setup import say_notes
    from autodas.data import VIDEO_ENDINGS, LeftOut, image_endings, images_below, videos_below

    endings, what = (VIDEO_ENDINGS, "videos") if videos else (image_endings(), "images")
    left_out = LeftOut(what)
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if os.path.isdir(path):
            # As for data sets: links are followed, other files are skipped.
            inside = (videos_below if videos else images_below)(path, left_out)
            if not inside:
                raise AutodasError(f"{path}: holds no {what} ({', '.join(endings)})")
            paths += sorted(map(Path, inside))
        elif os.path.exists(path):
            paths.append(path)
        else:
            raise AutodasError(f"{path}: does not exist")
    say_notes(left_out.notes())
    return paths
