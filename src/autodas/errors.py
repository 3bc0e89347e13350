"""Errors that users can cause and fix."""


class AutodasError(Exception):
    """User error, with a message that states the problem, its place and the remedy.

    Settings are written between backticks, as in Python (`` `optim.lr=0.1` ``). The command line prints the
    message as one line, with settings as flags, and exits with code 2, without a traceback (``--debug`` shows
    it). Any other exception is a bug in autodas.
    """


class Relayed(AutodasError):  # noqa: N818
    """User error of the first process of a run, raised in its other processes: the first one reports it."""


class Interrupted(Exception):  # noqa: N818
    """Stop of a run on request, with its state saved; ``resume`` continues it."""


class GenotypeError(AutodasError):
    """Genotype that is malformed or does not belong to its space; the message names the place."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint such as ``"; did you mean 'sdas'?"``, or the known names if none is similar.

    Args:
        name: name written by the user.
        known: valid names.
    """
    import difflib

    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean '{matches[0]}'?"
    return f"; known: {', '.join(known)}" if len(known) <= 24 else ""
