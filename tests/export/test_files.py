"""Exported files, read by the programs they are for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from autodas.errors import AutodasError
from autodas.export import Interface, export_onnx, export_program, open_model, sample_inputs
from autodas.training.model_file import ModelFacts

pytestmark = pytest.mark.slow

Network = tuple[nn.Module, ModelFacts]
Write = Callable[..., Any]


def run_onnx(path: Path, x: torch.Tensor) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(str(path))
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    result: np.ndarray[Any, Any] = output
    return result


def run_program(path: Path, x: torch.Tensor) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = torch.export.load(path).module()(x).detach().numpy()
    return result


FORMS = [
    pytest.param(export_onnx, "net.onnx", run_onnx, id="onnx"),
    pytest.param(export_program, "net.pt2", run_program, id="torch"),
]


@pytest.mark.parametrize(
    ("kind", "form"),
    # An ONNX file is made from the graph of a program.
    [("images", 0), ("images", 1), ("clips", 0), ("clips", 1), ("hdas", 0), ("resnet50-3d", 0)],
)
def test_outputs_are_those_of_the_network(
    kind: str,
    form: int,
    others: Callable[[str], Network],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """For any number of samples, within 1e-4."""
    export, name, compute = FORMS[form].values
    network, facts = request.getfixturevalue(kind) if kind in ("images", "clips") else others(kind)
    written = export(tmp_path / name, network, facts)
    assert written.difference <= 1e-4
    for count in (1, 5):
        x = sample_inputs(facts, count)
        wanted = network(x).detach().numpy()
        assert np.abs(wanted).max() > 0.01
        np.testing.assert_allclose(compute(tmp_path / name, x), wanted, atol=1e-4)


@pytest.mark.parametrize(("export", "name", "compute"), FORMS)
def test_normalisation_and_softmax_inside(
    export: Write, name: str, compute: Any, images: Network, tmp_path: Path
) -> None:
    """For inputs from 0 to 1, normalised here by the formula; and opened again the file is the network."""
    network, facts = images
    export(tmp_path / name, network, facts, interface=Interface(normalise=True, probabilities=True))
    raw = torch.rand(2, 3, 16, 16)
    normalised = (raw - torch.tensor([0.4, 0.5, 0.6])[:, None, None]) / torch.tensor([0.2, 0.25, 0.3])[
        :, None, None
    ]
    logits = network(normalised).detach().double().numpy()
    wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(compute(tmp_path / name, raw), wanted, atol=1e-5)
    opened, found = open_model(tmp_path / name)
    assert found == facts
    again = opened(normalised).detach().double().numpy()
    np.testing.assert_allclose(
        again - again.mean(1, keepdims=True), logits - logits.mean(1, keepdims=True), atol=1e-4
    )


def test_any_size(images: Network, clips: Network, tmp_path: Path) -> None:
    """ONNX files take every size, also odd ones; programs take multiples of the stride, here 4."""
    interface = Interface(any_size=True)
    for network, facts in (images, clips):
        export_onnx(tmp_path / "net.onnx", network, facts, interface=interface)
        for height, width in ((16, 16), (21, 35), (40, 24)):
            x = torch.randn(2, 3, *([4] if facts.clips else []), height, width)
            wanted = network(x).detach().numpy()
            np.testing.assert_allclose(run_onnx(tmp_path / "net.onnx", x), wanted, atol=1e-4)
    network, facts = images
    export_program(tmp_path / "net.pt2", network, facts, interface=interface)
    x = torch.randn(2, 3, 40, 24)
    np.testing.assert_allclose(run_program(tmp_path / "net.pt2", x), network(x).detach().numpy(), atol=1e-4)


def test_the_metadata_say_all(images: Network, tmp_path: Path) -> None:
    """And nothing of the machine."""
    network, facts = images
    export_onnx(tmp_path / "net.onnx", network, facts)
    export_program(tmp_path / "net.pt2", network, facts)
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(found["classes"]) == ["ant", "bee", "größer"]
    assert json.loads(found["mean"]) == [0.4, 0.5, 0.6]
    assert json.loads(found["std"]) == [0.2, 0.25, 0.3]
    assert found["image_size"] == "16"
    assert json.loads(found["genotype"])["name"] == "DARTS_V2"
    extra = {"autodas.json": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=extra)
    assert json.loads(extra["autodas.json"]) == found
    for name in ("net.onnx", "net.pt2"):
        assert open_model(tmp_path / name)[1] == facts
        content = (tmp_path / name).read_bytes()
        assert str(Path(__file__).parents[2]).encode() not in content
        assert b"site-packages" not in content


def test_integers(images: Network, tmp_path: Path) -> None:
    """The weights are integers, and the predictions mostly those of the network."""
    network, facts = images
    batches = [torch.randn(16, 3, 16, 16) for _ in range(4)]
    export_onnx(tmp_path / "net.onnx", network, facts, calibration=batches)
    model = onnx.load(tmp_path / "net.onnx")
    types = {each.data_type for each in model.graph.initializer if len(each.dims) == 4}
    assert types == {onnx.TensorProto.INT8}
    assert open_model(tmp_path / "net.onnx")[1] == facts
    x = torch.randn(256, 3, 16, 16)
    wanted, found = network(x).detach().numpy(), run_onnx(tmp_path / "net.onnx", x)
    assert 0 < np.sqrt(((found - wanted) ** 2).mean()) < 0.25 * wanted.std()


@pytest.mark.parametrize(("export", "name", "compute"), FORMS)
def test_a_file_that_differs_is_not_written(
    export: Write, name: str, compute: Any, with_operation: Callable[[str], Network], tmp_path: Path
) -> None:
    (tmp_path / name).write_text("before")
    with pytest.raises(AutodasError, match=r"not written: its outputs differ .* more than 0\.0001"):
        export(tmp_path / name, *with_operation("Lying"))
    assert (tmp_path / name).read_text() == "before"


def test_operations_that_cannot_be_exported_are_named(
    with_operation: Callable[[str], Network], tmp_path: Path
) -> None:
    where = r"cells\.\d+, edge 0-4: the operation 'python:own_operations:{}' has no "
    network, facts = with_operation("Bessel")
    with pytest.raises(AutodasError, match=where.format("Bessel") + r"form in ONNX \(opset 18\): .*bessel"):
        export_onnx(tmp_path / "net.onnx", network, facts)
    export_program(tmp_path / "net.pt2", network, facts)
    with pytest.raises(AutodasError, match=where.format("Branching") + "graph: "):
        export_program(tmp_path / "other.pt2", *with_operation("Branching"))
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt2"]


@pytest.mark.parametrize(("opset", "age"), [(17, "old"), (24, "new")])
def test_opsets(images: Network, tmp_path: Path, opset: int, age: str) -> None:
    with pytest.raises(AutodasError, match=f"opset={opset} is too {age}: it must lie in \\[18, 23\\]"):
        export_onnx(tmp_path / "net.onnx", *images, opset=opset)


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_named(
    images: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(AutodasError, match=rf"'{missing}' is not installed: pip install 'autodas\[export\]'"):
        export_onnx(tmp_path / "net.onnx", *images)


def test_damaged_and_foreign_files(images: Network, tmp_path: Path) -> None:
    network, facts = images
    export_onnx(tmp_path / "net.onnx", network, facts)
    export_program(tmp_path / "net.pt2", network, facts)
    for name in ("net.onnx", "net.pt2"):
        content = (tmp_path / name).read_bytes()
        for damaged in (b"", content[: len(content) // 2], b"\x00" * 1000):
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(AutodasError, match=f"{name}: cannot be read as an exported network"):
                open_model(tmp_path / name)
    model = onnx.load_from_string(_without_metadata(network, facts, tmp_path))
    onnx.save(model, tmp_path / "foreign.onnx")
    torch.export.save(torch.export.export(network, (sample_inputs(facts),)), tmp_path / "foreign.pt2")
    for name in ("foreign.onnx", "foreign.pt2"):
        with pytest.raises(AutodasError, match=f"{name}: was not written by autodas"):
            open_model(tmp_path / name)
    with pytest.raises(AutodasError, match=r"missing\.onnx: cannot be read: No such file"):
        open_model(tmp_path / "missing.onnx")


def _without_metadata(network: nn.Module, facts: ModelFacts, folder: Path) -> bytes:
    export_onnx(folder / "other.onnx", network, facts)
    model = onnx.load(folder / "other.onnx")
    del model.metadata_props[:]
    buffer = io.BytesIO(model.SerializeToString())
    return buffer.getvalue()
