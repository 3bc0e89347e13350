"""Settings in messages of the library become flags on the command line, and nothing else does."""

from __future__ import annotations

import pytest

from autodas.flags import with_flags


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("use `supernet.engine=reference`", "use --supernet.engine reference"),
        ("a `batch_size` below 16", "a --batch_size below 16"),
        ("less with `micro_batches=4` (3 MiB)", "less with --micro_batches 4 (3 MiB)"),
        ("`skeleton.K=3`", "--skeleton.K 3"),
        ("epochs=0 must be at least 1", "epochs=0 must be at least 1"),
        ("data.value_range=0,1", "data.value_range=0,1"),
        ("a file of the name `two words`", "a file of the name `two words`"),
    ],
)
def test_settings_become_flags(library: str, command: str) -> None:
    assert with_flags(library) == command
