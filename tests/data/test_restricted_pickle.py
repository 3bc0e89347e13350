from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodas.data.files._restricted_pickle import read_pickle
from autodas.errors import AutodasError


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(5))
def test_what_is_read(tmp_path: Path, protocol: int) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "p").write_bytes(
        pickle.dumps({"a": array, "b": [1, 2.5, b"x", b"", "y", None, (True,)]}, protocol)
    )
    found = read_pickle(tmp_path / "p")
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype == np.uint8
    assert found["b"] == [1, 2.5, b"x", b"", "y", None, (True,)]


def test_a_file_of_python_2(tmp_path: Path) -> None:
    # Written by hand, as Python 2 writes it: text as bytes, the array through its old module.
    (tmp_path / "p").write_bytes(
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftbs."
    )
    found = read_pickle(tmp_path / "p")
    np.testing.assert_array_equal(found[b"data"], np.frombuffer(b"abcdef", np.uint8).reshape(2, 3))


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {marker}",)),
        (eval, ("open('{marker}', 'w')",)),
        (open, ("{marker}", "w")),
        (getattr, ("text", "upper")),
        (np.ones, (3,)),
    ],
)
def test_what_is_refused(tmp_path: Path, function: Any, arguments: tuple[Any, ...], protocol: int) -> None:
    marker = tmp_path / "marker"
    filled = [a.format(marker=marker) if isinstance(a, str) else a for a in arguments]
    (tmp_path / "p").write_bytes(pickle.dumps({"data": Evil(function, *filled)}, protocol))
    with pytest.raises(AutodasError, match=rf"refused: it asks for '\w+\.{function.__name__}'") as caught:
        read_pickle(tmp_path / "p")
    assert "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a pickle", pickle.dumps(np.arange(5))[:-20], pickle.dumps(np.array([{}], object), 2)],
    ids=["empty", "text", "truncated", "objects"],
)
def test_malformed_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(AutodasError, match="cannot be read as a batch of images"):
        read_pickle(tmp_path / "p")


def test_numpy_keeps_its_own_types(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(pickle.dumps(np.arange(3, dtype=">i4"), 2))
    assert read_pickle(tmp_path / "p").tolist() == [0, 1, 2]
    assert np.dtype("i4").isnative
    assert np.dtype("i4").byteorder == "="


def test_room_is_not_made_for_what_a_number_says(tmp_path: Path) -> None:
    """Two billion remembered objects, a text of as many bytes: neither is there."""
    import tracemalloc

    for content in (
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + b"\xff" * 5 + b"\x00" * 3,
        b"T\xff\xff\xff\x7f.",
    ):
        (tmp_path / "p").write_bytes(content)
        tracemalloc.start()
        try:
            with contextlib.suppress(AutodasError):
                read_pickle(tmp_path / "p")
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()
