"""The page on other libraries, run as it is printed."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.trained_networks import RECORDED

PAGE = Path(__file__).parents[2] / "docs" / "libraries.md"
# Those with a title are files of the reader's.
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.slow
def test_every_block_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("timm", "transformers", "huggingface_hub"):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    shutil.copytree(RECORDED, tmp_path / "runs" / "digits-net")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, str(PAGE), "exec"), names)
        if number == 0:
            printed = re.search(r"# (\[.*\]), (\[.*\])", block)
            assert printed is not None
            assert printed.groups() == (str(names["body"].channels), str(names["body"].strides))
            assert [y.shape[1] for y in names["maps"]] == names["body"].channels
    assert names["features"].feature_info.reduction() == [8, 16]
    assert names["trained"].num_classes == 4
    assert names["logits"].shape == (1, 10)
    assert "'9')" in capsys.readouterr().out
    assert (tmp_path / "digits-for-the-hub" / "README.md").exists()
