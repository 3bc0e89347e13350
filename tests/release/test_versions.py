"""Versions and requirements that are written down in several places agree."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import autodas

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"torch": "pytorch", "docstring-parser": "docstring_parser"}


def oldest_versions(pyproject: Path) -> list[str]:
    spec = importlib.util.spec_from_file_location("oldest", ROOT / "release" / "oldest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.oldest_versions(pyproject))


@pytest.fixture
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def recipe() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "release" / "conda" / "recipe.yaml").read_text())
    return found


def test_one_version(pyproject: dict[str, Any], recipe: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    stated = [pyproject["project"]["version"], citation["version"], recipe["context"]["version"]]
    assert stated == [autodas.__version__] * 3


def test_the_recipe_requires_what_the_project_requires(
    pyproject: dict[str, Any], recipe: dict[str, Any]
) -> None:
    def for_conda(requirements: list[str]) -> list[str]:
        split = [(found.name, str(found.specifier)) for found in map(Requirement, requirements)]
        return [f"{CONDA_NAMES.get(name, name)} {bounds}" for name, bounds in split]

    python = "${{ python_min }}"
    assert recipe["requirements"] == {
        "host": [f"python {python}.*", "pip", *for_conda(pyproject["build-system"]["requires"])],
        "run": [f"python >={python}", *for_conda(pyproject["project"]["dependencies"])],
    }
    assert f">={recipe['context']['python_min']}" == pyproject["project"]["requires-python"]
    assert recipe["about"]["summary"] == pyproject["project"]["description"]
    assert recipe["about"]["license"] == pyproject["project"]["license"]
    (script,) = recipe["build"]["python"]["entry_points"]
    assert dict([script.split(" = ")]) == pyproject["project"]["scripts"]


def test_oldest_versions_of_a_project(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(
        "[build-system]\nrequires = ['builder>=1.27']\n"
        "[project]\ndependencies = ['torch>=2.8', 'no-minimum']\n"
        "[project.optional-dependencies]\n"
        "one = ['drawing[engine,other]>=0.1.4', 'site>=1.6,<2']\n"
        "two = ['this[one]', \"triton>=3.4; sys_platform == 'linux'\"]\n"
    )
    assert oldest_versions(path) == [
        "builder==1.27",
        "torch==2.8",
        "drawing==0.1.4",
        "site==1.6",
        "triton==3.4; sys_platform == 'linux'",
    ]


def test_every_minimum_of_the_project_is_among_the_oldest_versions() -> None:
    text = (ROOT / "pyproject.toml").read_text().replace("requires-python", "")
    minimums = re.findall(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)", text)
    assert [line.partition(";")[0] for line in oldest_versions(ROOT / "pyproject.toml")] == [
        f"{name}=={version}" for name, version in minimums
    ]
    assert ("torch", "2.8") in minimums


def test_every_pin_is_allowed(pyproject: dict[str, Any]) -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    extras = pyproject["project"]["optional-dependencies"].values()
    required = [*pyproject["project"]["dependencies"], *(line for extra in extras for line in extra)]
    for found in map(Requirement, required):
        assert found.name not in pins or pins[found.name] in found.specifier, found


def test_classifiers_begin_with_the_oldest_python(pyproject: dict[str, Any]) -> None:
    classified = re.findall(r"Python :: (3\.\d+)'", str(pyproject["project"]["classifiers"]))
    assert pyproject["project"]["requires-python"] == f">={classified[0]}"
    assert classified == [f"3.{minor}" for minor in range(11, 11 + len(classified))]


def test_hooks_run_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    lint = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    # Hooks are given the files to check.
    assert [hook["entry"] for hook in hooks] == [line.removesuffix(" .") for line in lint]
