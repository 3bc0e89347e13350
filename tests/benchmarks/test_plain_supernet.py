"""The plain supernet of the benchmarks against our own: two programs by the same formulas."""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from autodas.spaces import all_alive, get_space
from autodas.supernet import CellMixture, Supernet

pytestmark = pytest.mark.slow

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "plain_supernet.py"
specification = spec_from_file_location("plain_supernet", PATH)
assert specification is not None
assert specification.loader is not None
plain = module_from_spec(specification)
specification.loader.exec_module(plain)


def our_name(name: str, edges: tuple[tuple[int, int], ...]) -> str:
    """Return what our supernet calls a parameter of the plain one."""
    name = re.sub(r"^stem\.0", "stem.conv", re.sub(r"^stem\.1", "stem.norm", name))
    name = re.sub(r"(preprocess[01])\.1", r"\1.conv", re.sub(r"(preprocess[01])\.2", r"\1.norm", name))

    def place(found: re.Match[str]) -> str:
        predecessor, state = edges[int(found[1])]
        return f"edges.{predecessor}-{state}.{plain.OPERATIONS[int(found[2])]}"

    name = re.sub(r"edges\.(\d+)\.operations\.(\d+)", place, name)
    return re.sub(r"(pool_3x3)\.1", r"\1.norm", name)


@pytest.mark.parametrize("K", [0, 1])
def test_equals_the_reference_engine(K: int) -> None:
    torch.manual_seed(0)
    space = get_space("cifar-o2d").with_size(K=K, C1=6, C2=16)
    theirs = plain.PlainSupernet(3 * K + 2, stem=6, width=4, classes=5).double()
    ours = Supernet(space, classes=5).double()
    state = {
        our_name(name, space.cell.edges): tensor
        for name, tensor in theirs.state_dict().items()
        if not name.startswith("alpha")
    }
    # Only ours leaves out the count of batches, where there is no scale.
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    assert set(dict(ours.named_parameters())) == {
        our_name(n, space.cell.edges) for n, _ in theirs.named_parameters() if not n.startswith("alpha")
    }

    columns = [plain.OPERATIONS.index(name) for name in space.cell.operations]
    tables = {"normal": theirs.alpha_normal, "reduction": theirs.alpha_reduction}
    for table in tables.values():
        torch.nn.init.normal_(table)
    alpha = {kind: tables[kind].detach()[:, columns].requires_grad_() for kind in space.kinds}
    images, labels = torch.randn(6, 3, 16, 16, dtype=torch.float64), torch.randint(5, (6,))

    def our_logits() -> torch.Tensor:
        mask = all_alive(space.cell)
        return ours(images, {kind: CellMixture(a.softmax(-1), mask) for kind, a in alpha.items()})

    logits, expected = our_logits(), theirs(images)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    F.cross_entropy(logits, labels).backward()
    F.cross_entropy(expected, labels).backward()
    for kind in space.kinds:
        wanted = tables[kind].grad[:, columns]
        assert wanted.abs().max() > 1e-5
        torch.testing.assert_close(alpha[kind].grad, wanted, rtol=1e-10, atol=1e-10 * wanted.abs().max())
    gradients = {our_name(n, space.cell.edges): p.grad for n, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        wanted = gradients[name]
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-9, atol=1e-10 * wanted.abs().max())
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(our_logits(), theirs(images), rtol=1e-10, atol=1e-10)  # running statistics


class Operators(TorchDispatchMode):
    """Counts what is dispatched."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[str(func).split(".")[1]] += 1
        return func(*args, **(kwargs or {}))


def test_has_one_call_a_layer_and_no_fewer() -> None:
    # The paper's search network; the numbers of DARTS' supernet are known (parameters: 1,930,618).
    supernet = plain.PlainSupernet()
    assert sum(parameter.numel() for parameter in supernet.weights()) == 1_930_618
    with Operators() as operators, torch.no_grad():
        supernet(torch.randn(2, 3, 32, 32))
    edges, strided_skips, reductions = 8 * 14, 2 * 8, 2
    calls = operators.calls
    # Two in each of four separable units of the two kinds of sep_conv, two in each of two dil_conv.
    assert calls["convolution"] == edges * (2 * 4 + 4) + 2 * strided_skips + 1 + 8 * 2 + reductions
    assert calls["native_batch_norm"] == edges * (2 * 2 + 2 + 2) + strided_skips + 1 + 8 * 2
    assert calls["relu"] == edges * (2 * 2 + 2) + strided_skips + 8 * 2
    assert calls["max_pool2d_with_indices"] + calls["avg_pool2d"] == 2 * edges
    assert calls["mul"] == 7 * edges
    assert calls["add"] == 7 * edges + edges


def test_an_iteration_trains_both_sets_of_parameters() -> None:
    torch.manual_seed(0)
    supernet = plain.PlainSupernet(cells=2, stem=4, width=2, classes=3)
    before = {name: parameter.detach().clone() for name, parameter in supernet.named_parameters()}
    data = [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))]
    losses = plain.search(supernet, data, data, torch.device("cpu"), "fp32")
    first = next(losses)
    for name, parameter in supernet.named_parameters():
        if name != "alpha_normal":  # two cells are both reductions
            assert not torch.equal(parameter, before[name]), name
    for _ in range(5):
        last = next(losses)
    assert last < first  # one batch, learnt by heart


def test_channels_last_is_the_same_search() -> None:
    setting = {"K": 0, "C1": 6, "C2": 16, "batch_size": 8, "image_size": 8, "classes": 3}
    one, other = plain.make_step(**setting), plain.make_channels_last_step(**setting)
    # Each draws its batches from torch's generator.
    torch.manual_seed(0)
    expected = [one() for _ in range(2)]
    torch.manual_seed(0)
    assert [other() for _ in range(2)] == pytest.approx(expected, rel=1e-4)
