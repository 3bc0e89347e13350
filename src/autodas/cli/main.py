"""Entry point of ``autodas``: dispatch to commands, errors as one line and an exit code."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from autodas._version import __version__
from autodas.child_process import end_with_parent
from autodas.cli._allocator import restart_tuned
from autodas.cli._streams import flush_output, prepare_streams, silent_unless_first
from autodas.errors import AutodasError, Interrupted, Relayed, nearest
from autodas.flags import with_flags
from autodas.launched import process_count, process_number
from autodas.stopping import termination_interrupts
from autodas.terminal import message as one_line
from autodas.terminal import visible_output

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("autodas.cli.demo", "search, train and draw a network on embedded data, in a few minutes"),
    "search": ("autodas.cli.search", "search for a network for a data set"),
    "train": ("autodas.cli.train", "train the network that a genotype describes"),
    "compare": ("autodas.cli.compare", "compare search methods, with the same data, epochs and seeds"),
    "evaluate": ("autodas.cli.evaluate", "measure the accuracy, or other results, of a trained network"),
    "predict": ("autodas.cli.predict", "predict the top classes of new images or videos"),
    "export": (
        "autodas.cli.export",
        "write a trained network for other programs: ONNX, torch, timm, Hub",
    ),
    "profile": ("autodas.cli.profile", "count parameters and multiply-adds of a network"),
    "device": ("autodas.cli.device", "measure networks on a device, to search for one that fits it"),
    "report": ("autodas.cli.report", "write a report on runs as one HTML file"),
    "draw": ("autodas.cli.draw", "draw the cells of a genotype"),
    "watch": ("autodas.cli.watch", "follow runs in a browser"),
    "zoo": ("autodas.cli.zoo", "list and show published genotypes"),
    "space": ("autodas.cli.space", "list and show search spaces: operations, edges, number of architectures"),
    "data": ("autodas.cli.data", "list and check datasets, manage stored data"),
    "bench": ("autodas.cli.bench", "benchmark search methods and engines"),
    "doctor": ("autodas.cli.doctor", "examine the installation: what is there, what is missing"),
    "completion": ("autodas.cli.completion", "completion of commands and options in bash, zsh and fish"),
}
"""Module of each command, imported on use for its ``run(argv) -> int``, and a line of help."""

TOGETHER = ("search", "train", "evaluate", "bench")
"""Commands that several processes can compute together."""

COMPUTING = ("demo", "search", "train", "evaluate", "predict", "device", "profile", "bench")
"""Commands that compute networks. What they measure is comparable, since all have the same allocator."""

_MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE)
"""System errors reported as user errors even without a file name; those with a file name always are."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 is success, 1 a bug (of ``doctor`` a broken installation), 2 a user error, 130 an interruption.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        prepare_streams()
        if words[:1] and words[0] in COMPUTING:
            restart_tuned()
        end_with_parent()
    end = words.index("--") if "--" in words else len(words)
    debug = "--debug" in words[:end]
    words = [word for word in words[:end] if word != "--debug"] + words[end:]
    with visible_output(), termination_interrupts():
        try:
            code = _run(words)
            sys.stdout.flush()  # inside the try block, so that a closed pipe is caught
        except Interrupted as stop:
            if process_number() == 0:
                print(f"autodas: {with_flags(one_line(str(stop)))}", file=sys.stderr)
            code = 130
        except KeyboardInterrupt:
            print("autodas: interrupted", file=sys.stderr)
            code = 130
        except BrokenPipeError:
            flush_output()
            return 141
        except Exception as error:
            code = _report(error, debug)
    flush_output()
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help(), end="")
        return 0
    if words[0] == "--version":
        print(f"autodas {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        if name.startswith("-"):
            raise AutodasError(f"unknown option '{name}'; known before a command: --help, --version, --debug")
        raise AutodasError(f"unknown command '{name}'{nearest(name, list(COMMANDS))}")
    if process_count() > 1 and name not in TOGETHER:
        raise AutodasError(
            f"'autodas {name}' computes in a single process: start it without torchrun, with which "
            f"{', '.join(TOGETHER)} can be started"
        )
    try:
        with silent_unless_first():
            code: int = import_module(COMMANDS[name][0]).run(words[1:])
    except SystemExit as leaving:  # --help and --print_config
        if isinstance(leaving.code, str):
            raise AutodasError(leaving.code) from None
        code = leaving.code or 0
    return code


def _report(error: Exception, debug: bool) -> int:
    """Print an error and return its exit code."""
    if isinstance(error, Relayed):
        return 2
    message = None
    if isinstance(error, AutodasError | argparse.ArgumentError):
        message = with_flags(one_line(str(error)))
    elif isinstance(error, OSError) and (error.filename or error.errno in _MENDABLE):
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    elif _means_no_memory(error):
        message = "memory has run out"
    if debug or message is None:
        traceback.print_exception(error)
    if message is not None:
        print(f"autodas: error: {_process()}{message}", file=sys.stderr)
        return 2
    print(
        "autodas: this is a bug in autodas: please report it with the traceback above and the output of "
        "'autodas doctor'",
        file=sys.stderr,
    )
    return 1


def _process() -> str:
    """Return the number of this process for its messages, empty in the first process of a run."""
    number = os.environ.get("RANK", "0")
    return "" if number == "0" else f"process {number}: "


def _means_no_memory(error: Exception) -> bool:
    if isinstance(error, RuntimeError) and "torch" in sys.modules:
        from autodas.loop import is_out_of_memory

        return is_out_of_memory(error)
    return isinstance(error, MemoryError)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        "usage: autodas COMMAND ...",
        "",
        "Differentiable architecture search: find a network for your images or videos, and train it.",
        "",
        *(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()),
        "",
        "See autodas COMMAND --help for details. autodas --version; --debug shows the traceback of an error.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
