"""Command lines as shells hand them over, and answers as their scripts read them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.resources import files

from autodas.cli.completion._answer import Candidate

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return the script that a shell must read."""
    return files("autodas.cli.completion").joinpath(f"autodas.{shell}").read_text(encoding="utf-8")


def words_of(shell: str, given: Sequence[str]) -> list[str]:
    """Return the words of a command line up to the cursor, the last one incomplete.

    bash hands over the characters at which it breaks words, and the line; others hand over the words.
    """
    return _split(given[1]) if shell == "bash" else list(given)


def answer_of(shell: str, given: Sequence[str], found: Sequence[Candidate]) -> str:
    """Return the answer as the script of a shell reads it.

    bash: a line ``files`` or ``words``, then one word a line, without what precedes the last character at
    which it breaks words. Others: a line for each word, followed by a tab and its help if it has one.
    """
    if shell != "bash":
        return "".join(f"{c.word}\t{c.help}\n" if c.help else f"{c.word}\n" for c in found)
    current = _split(given[1])[-1]
    seen = max((current.rfind(mark) + 1 for mark in "=:" if mark in given[0]), default=0)
    # bash marks folders itself.
    words = [c.word[seen:].removesuffix("/") if c.is_file else c.word[seen:] for c in found]
    kind = "files" if any(c.is_file for c in found) else "words"
    return "".join(f"{word}\n" for word in (kind, *words))


def _split(line: str) -> list[str]:
    """Return the words of a line; a quote may be open, and the last word empty."""
    if (len(line) - len(line.rstrip("\\"))) % 2:
        line = line[:-1]  # what it protects is not typed yet
    for close in ("", '"', "'"):
        try:
            words = shlex.split(f"{line}{close}")
        except ValueError:
            continue
        ends = not close and (not line or (line[-1].isspace() and not line.endswith("\\ ")))
        return [*words, ""] if ends or not words else words
    return line.split(" ")
