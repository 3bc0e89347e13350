"""Peak of live tensor memory, found by running code on tensors without data."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counter of the live storages while code runs within it on the device ``meta``.

    A storage counts from the operator that creates it until nothing refers to it: tensors kept by autograd,
    gradients, and temporary tensors. Memory that an operator allocates and frees internally does not count.

    Attributes:
        now: bytes alive.
        peak: maximum of ``now`` so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}
        self._known: dict[Any, tuple[list[Any], Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator, and count the tensors that it returns."""
        if func is torch.ops.aten._local_scalar_dense.default:
            # There are no data, and no value affects allocation: any number will do, and conditions are
            # false.
            return False if args[0].dtype == torch.bool else 1.0
        schema = func._schema
        views = schema.is_mutable or any(r.alias_info is not None for r in schema.returns)
        if views or func.namespace != "aten":
            result = func(*args, **(kwargs or {}))
        else:
            result = self._run(func, args, kwargs)
        for tensor in tree_flatten(result)[0]:
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return result

    def _run(self, func: Any, args: Any, kwargs: Mapping[str, Any] | None) -> Any:
        """Run an operator once for each layout of its arguments: many compute their shapes in Python."""
        values, structure = tree_flatten((args, kwargs))
        key = (func, structure, *map(_look, values))
        if key not in self._known:
            results, structure = tree_flatten(func(*args, **(kwargs or {})))
            own = {id(v.untyped_storage()) for v in values if isinstance(v, Tensor)}
            if own & {id(v.untyped_storage()) for v in results if isinstance(v, Tensor)}:
                return tree_unflatten(results, structure)
            self._known[key] = [_Look.of(v) if isinstance(v, Tensor) else v for v in results], structure
            return tree_unflatten(results, structure)
        results, structure = self._known[key]
        return tree_unflatten([v.again() if isinstance(v, _Look) else v for v in results], structure)

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place not in self._sizes:
            self._sizes[place] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, place)

    def _forget(self, place: int) -> None:
        self.now -= self._sizes.pop(place)


class _Look(NamedTuple):
    """Description of a tensor without data."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @staticmethod
    def of(tensor: Tensor) -> _Look:
        return _Look(tensor.shape, tensor.stride(), tensor.dtype, tensor.device)

    def again(self) -> Tensor:
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=self.device)


def _look(value: Any) -> Any:
    # Includes the type: 1, 1.0 and True are equal, but give different tensors.
    return _Look.of(value) if isinstance(value, Tensor) else (type(value), value)
