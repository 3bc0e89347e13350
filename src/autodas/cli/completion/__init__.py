"""``autodas completion``: completion in shells. Light: a shell waits for it at every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autodas.cli.completion._answer import candidates
from autodas.cli.completion._shells import answer_of, script, words_of
from autodas.cli.completion._stored import stored_table
from autodas.cli.config._usage import Usage


@dataclass(frozen=True)
class CompletionConfig:
    """Print the script with which a shell completes commands, options and their values. For bash, add
    eval "$(autodas completion bash)" to ~/.bashrc; for zsh, eval "$(autodas completion zsh)" to ~/.zshrc,
    after compinit; for fish, autodas completion fish | source to ~/.config/fish/config.fish.

    Args:
        shell: the shell.
        words: a command line, after --; its completions are printed instead, as the script reads them.
    """

    shell: Literal["bash", "zsh", "fish"] = field(metadata={"positional": True})
    words: tuple[str, ...] = field(default=(), metadata={"positional": True, "metavar": "WORD"})


USAGES = (Usage("completion", CompletionConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    if argv[1:2] == ["--"]:
        # The way of the scripts, at every key: without the import of what reads command lines.
        shell, words = argv[0], argv[2:]
    else:
        config = USAGES[0].parse(argv)
        shell, words = config.shell, list(config.words)
    if not words:
        print(script(shell), end="")
        return 0
    found = candidates(stored_table(), words_of(shell, words))
    print(answer_of(shell, words, found), end="")
    return 0
