"""The reference of commands has all of them, and the commands that pages show are read."""

from __future__ import annotations

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from autodas.cli.config._arguments import take_prefixed
from autodas.cli.config._schema import describe
from autodas.cli.config._usage import Usage
from autodas.cli.main import COMMANDS
from autodas.cli.usages import all_usages
from autodas.errors import AutodasError
from autodas.presets import preset_commands, preset_names, read_preset
from autodas.strategies import STRATEGIES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The built page, by heading."""
    path = ROOT / "docs" / "hooks" / "commands.py"
    spec = spec_from_file_location("commands_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.on_page_markdown((ROOT / "docs" / "commands.md").read_text())
    assert module.MARK not in page
    _, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


def heading(usage: Usage[Any]) -> str:
    return f"autodas {usage.command}" + (f" ({usage.given})" if usage.given else "")


def test_every_command_has_a_section(sections: dict[str, str]) -> None:
    expected = [heading(usage) for usages in all_usages().values() for usage in usages]
    assert [name for name in sections if name.startswith("autodas ")] == expected
    assert {name.split()[1] for name in expected} == set(COMMANDS)


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_option_is_there(sections: dict[str, str], strategy: str) -> None:
    count = 0
    for usages in all_usages().values():
        for usage in usages:
            schema, section = describe(usage.config_class, strategy), sections[heading(usage)]
            shown = set(re.findall(r"^- (?:`-\w`, )?`([\w.-]+)", section, re.MULTILINE))
            short = {key: name for name, key in schema.short_forms.items()}
            for leaf in schema.leaves.values():
                name = leaf.metavar if leaf.positional else f"--{short.get(leaf.key, leaf.key)}"
                assert name in shown, f"{usage.command}: {name}"
                if leaf.metadata.get("short"):
                    assert f"`{leaf.metadata['short']}`, `{name}" in section
                count += 1
            assert "--debug" in shown
            assert ("--print_config" in shown) == (usage.presets is not None)
    assert count > 400


def test_choices_and_defaults_are_there(sections: dict[str, str]) -> None:
    assert "- `--optim.schedule {cosine,linear,exponential}`" in sections["autodas search"]
    (line,) = re.findall(r"^- `--epochs INT`.*", sections["autodas search"], re.MULTILINE)
    assert line.endswith("Default: `50`.")
    assert "- `--data NAME`" in sections["autodas search"]


def test_every_preset_is_there_with_what_it_sets(sections: dict[str, str]) -> None:
    for command in preset_commands():
        section = sections[f"autodas {command}"]
        for name in preset_names(command):
            assert f"\n`{name}`: " in section
            content = [line for line in read_preset(command, name).splitlines() if not line.startswith("#")]
            assert "\n".join(["```yaml", *content, "```"]) in section


def shown_commands() -> list[tuple[str, str]]:
    """Return the page and the text of every single command in a block of a page."""
    found = []
    for page in PAGES:
        for block in re.findall(
            r"^ *```(?:sh|bash|console)?\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE
        ):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"\s*(?:\$ )?(autodas [a-z].*)", line)
                if match and not any(sign in match[1] for sign in ("...", "$", "[options]")):
                    found.append((page.relative_to(ROOT).as_posix(), match[1]))
    return found


def refusal(usage: Usage[Any], words: list[str]) -> str:
    """Return why a usage does not read the words; empty if it does."""
    try:
        usage.parse(take_prefixed(words, usage.forwarded)[1])
    except AutodasError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_commands_of_pages_are_read(page: str, line: str) -> None:
    _, name, *words = shlex.split(line, comments=True)
    if not words or name not in COMMANDS:
        assert name in COMMANDS
        return
    usages = [u for u in all_usages()[name] if u.command in (name, f"{name} {words[0]}")]
    words = words[1:] if usages[0].command != name else words
    refusals = [refusal(usage, words) for usage in usages]
    # What is required may be that of a run which the command names.
    taken_over = name in ("search", "train") and any("is required" in text for text in refusals)
    assert "" in refusals or taken_over, refusals
