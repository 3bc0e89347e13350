"""The whole examination, part after part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from autodas.installation import _computing, _libraries, _machine
from autodas.installation._extras import EXTRAS
from autodas.installation._finding import Finding, State
from autodas.installation._isolated import isolated, reason


class _Check(NamedTuple):
    """Check in a process of its own, and what it means that it fails."""

    part: str
    check: Callable[..., Iterable[Finding]]
    state: State
    cost: str
    remedy: str
    arguments: tuple[str, ...] = ()

    def findings(self) -> list[Finding]:
        found, failure = isolated(self.check, *self.arguments)
        if failure:
            found.append(Finding(self.part, self.state, failure, self.cost, self.remedy))
        return found


_HERE = {
    "autodas": _machine.program,
    "processors": _machine.computing_limits,
    "shared memory": _machine.shared_memory,
    "this folder": _machine.folders,
    "cache": _machine.caches,
}

_REINSTALL = "pip install --force-reinstall autodas"

_NEEDED = (
    _Check("torch", _computing.torch_and_devices, "broken", "", "see pytorch.org for the right one"),
    _Check("libraries", _libraries.required_libraries, "broken", "", _REINSTALL),
    _Check(
        "kernels",
        _computing.compiled_kernels,
        "broken",
        "searches on the processor fail",
        "set AUTODAS_KERNELS=plain; please report this as a bug",
    ),
)

_OPTIONAL = (
    _Check("torchvision", _libraries.torchvision, "limited", "", "pip uninstall torchvision"),
    *(
        _Check(
            f"[{name}]",
            _libraries.extra_libraries,
            "limited",
            extra.cost,
            f"pip install --force-reinstall 'autodas[{name}]'",
            (name,),
        )
        for name, extra in EXTRAS.items()
    ),
)


def examine() -> Iterator[Finding]:
    """Yield what is found on this machine, part after part.

    Nothing is downloaded. Whatever a library does when it is used, the examination continues. Without torch
    nothing that needs it is examined.
    """
    for part, look in _HERE.items():
        try:
            yield from look()
        except Exception as error:
            yield Finding(part, "limited", f"cannot be examined: {reason(error)}")
    torch, *others = _NEEDED
    found = torch.findings()
    yield from found
    if any(finding.state == "broken" for finding in found):
        others = [check for check in others if check.check is _libraries.required_libraries]
    else:
        others += _OPTIONAL
    # A few at a time: most of their time is that of imports.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for findings in pool.map(_Check.findings, others):
            yield from findings
