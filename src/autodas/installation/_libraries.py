"""Libraries that autodas needs, and those of its extras: versions, and whether they can be imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from autodas.installation._extras import EXTRAS
from autodas.installation._finding import Finding
from autodas.installation._isolated import reason

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_MODULES = {
    "opencv-contrib-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
"""Modules that are not named after their package."""

_TOGETHER = "install versions of torch and torchvision that belong together"

_EXAMINED = "torch"
"""Library with a check of its own."""


def required_libraries() -> Iterator[Finding]:
    """Report the libraries that autodas cannot do without."""
    wanted = _requirements()
    if not wanted:
        found = "the versions that autodas needs are unknown: it is not installed, only found as a folder"
        yield Finding("libraries", "limited", found, "versions are not checked", "pip install autodas")
        return
    good = []
    for requirement in wanted:
        name = requirement.name
        try:
            found = version(name)
        except PackageNotFoundError:
            if name != _EXAMINED:
                yield Finding(
                    name, "broken", "is not installed", remedy=f"pip install '{_short(requirement)}'"
                )
            continue
        try:
            if name != _EXAMINED:
                import_module(_module(name))
        except BaseException as error:
            remedy = f"pip install --force-reinstall '{_short(requirement)}'"
            yield Finding(name, "broken", f"{found} cannot be imported: {reason(error)}", remedy=remedy)
            continue
        if age := _unfit(requirement, found):
            cost = "autodas is not tested with it"
            yield Finding(name, "limited", age, cost, f"pip install '{_short(requirement)}'")
        else:
            good.append(f"{name} {found}")
    yield Finding("libraries", "ok", ", ".join(good))


def extra_libraries(name: str) -> Iterator[Finding]:
    """Report the libraries of an extra, and try what they are for.

    Args:
        name: name of the extra.
    """
    extra, wanted = EXTRAS[name], _requirements(name)
    if not wanted:
        found = "the installed package of autodas does not know this extra"
        yield Finding(f"[{name}]", "limited", found, "it is not examined", "pip install --upgrade autodas")
        return
    remedy = f"pip install 'autodas[{name}]'"
    there, wrong = [], []
    for requirement in wanted:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        there.append(f"{requirement.name} {found}")
        wrong += filter(None, [_unfit(requirement, found)])
    missing = any("not installed" in text for text in wrong)
    alone = "" if missing or extra.shared is None else _failure_alone(*extra.shared)
    if extra.trial is not None or (there and not missing):
        try:
            worked = extra.trial() if extra.trial is not None else _import_all(name)
        except BaseException as error:
            if not missing:
                wrong.append(reason(error))
                remedy = f"pip install --force-reinstall 'autodas[{name}]'"
        else:
            # What works without a package, works: another one does the same.
            there, wrong = [*there, *filter(None, [worked])], [text for text in wrong if "older" in text]
    if wrong:
        yield Finding(f"[{name}]", "limited", ", ".join([*there, *wrong]), extra.cost, remedy)
    elif alone:
        cost = f"autodas uses it all the same; your own programs have to import autodas.{name} before {name}"
        yield Finding(f"[{name}]", "limited", f"{', '.join(there)}, {alone}", cost, _TOGETHER)
    else:
        yield Finding(f"[{name}]", "ok", ", ".join(there))


def torchvision() -> Iterator[Finding]:
    """Report a torchvision that was built for another torch; nothing where there is none or it works."""
    try:
        found = version("torchvision")
    except PackageNotFoundError:
        return
    try:
        import_module("torchvision")
    except BaseException as error:
        cost = "autodas does without its operators, other programs may not"
        yield Finding("torchvision", "limited", f"{found} fails: {reason(error)}", cost, _TOGETHER)


def _failure_alone(module: str, name: str) -> str:
    """Return how the import of a name fails without the preparations of autodas; empty if it works."""
    try:
        getattr(import_module(module), name)
    except BaseException as error:
        cause = error
        while cause.__cause__ is not None:  # transformers says of any error only that it occurred
            cause = cause.__cause__
        return f"which cannot be imported by itself: {reason(cause)}"
    return ""


def _import_all(extra: str) -> str:
    for requirement in _requirements(extra):
        import_module(_module(requirement.name))
    return ""


def _requirements(extra: str = "") -> Sequence[Requirement]:
    """Return the requirements of autodas, or of one of its extras, that apply to this machine.

    There are none if autodas is not installed as a package. Extras that name others are written out there.
    """
    from packaging.requirements import Requirement

    try:
        texts = requires("autodas") or []
    except PackageNotFoundError:
        return []
    found = []
    for text in texts:
        requirement = Requirement(text)
        of_extra = requirement.marker is not None and "extra" in str(requirement.marker)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if applies and of_extra == bool(extra):
            found.append(requirement)
    return found


def _unfit(requirement: Requirement, found: str) -> str:
    """Return how a version does not fit a requirement; empty if it does."""
    if requirement.specifier.contains(found, prereleases=True):
        return ""
    from packaging.version import Version

    for one in requirement.specifier:
        if one.operator == ">=" and Version(found) < Version(one.version):
            return f"{requirement.name} {found} is older than {one.version}"
    return f"{requirement.name} {found} is not {requirement.specifier}"


def _short(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _module(package: str) -> str:
    return _MODULES.get(package, package.replace("-", "_"))
